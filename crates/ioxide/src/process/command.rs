//! What to start, and how.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use super::child::Child;
use super::orphans;
use crate::event_loop::Core;

/// A program to start, with its arguments, environment, directory and streams. What isn't offered here is set on `std`'s
/// command, from which this can be made.
///
/// # Examples
/// ```
/// use ioxide::process::Command;
///
/// # fn main() -> std::io::Result<()> {
/// let output = ioxide::run(async { Command::new("echo").arg("hello").output().await })??;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    command: std::process::Command,
    kill_on_drop: bool,
}

impl Command {
    /// Names the program: a path, or a name that is looked for in the directories of `PATH`.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        std::process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> &mut Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Leaves out a variable of this process's environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.command.env_remove(name);
        self
    }

    /// Leaves out all variables of this process's environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.command.env_clear();
        self
    }

    /// Has the child begin in another directory.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.command.current_dir(directory);
        self
    }

    /// What the child reads from: this process's own input, unless it is told here.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.command.stdin(stdin);
        self
    }

    /// What the child writes to: this process's own output, unless it is told here.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.command.stdout(stdout);
        self
    }

    /// What the child writes its complaints to: where this process does, unless it is told here.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.command.stderr(stderr);
        self
    }

    /// Whether a child is killed as its [`Child`] is dropped. It goes on otherwise.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Self {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    /// What `fork(2)`, `execve(2)`, `pipe(2)` and `pidfd_open(2)` give: there is no such program, or nothing left to run
    /// it with. A program that was started by then is killed.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// use ioxide::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// ioxide::run(async {
    ///     let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    ///     stdin.write_all(b"there and back").await?;
    ///     drop(stdin);
    ///     let mut answer = Vec::new();
    ///     stdout.read_to_end(&mut answer).await?;
    ///     assert_eq!(answer, b"there and back");
    ///     assert!(child.wait().await?.success());
    ///     Ok(())
    /// })?
    /// # }
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        // Without a loop nobody could wait for the program: that is told before it runs.
        let _loop = Core::current();
        orphans::reap();
        Child::new(self.command.spawn()?, self.kill_on_drop)
    }

    /// Starts the program, and waits for its end. An input that is piped is at its end at once.
    ///
    /// # Errors
    /// Those of [`Command::spawn`] and [`Child::wait`].
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Cancel safety
    /// A program that is given up goes on, unless [`Command::kill_on_drop`] says otherwise.
    ///
    /// # Examples
    /// ```
    /// let status = ioxide::run(async { ioxide::process::Command::new("false").status().await })??;
    /// assert_eq!(status.code(), Some(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        let mut child = self.spawn()?;
        drop(child.stdin.take());
        child.wait().await
    }

    /// Starts the program with an empty input, and collects what it writes until its end.
    ///
    /// # Errors
    /// Those of [`Command::spawn`] and [`Child::communicate`].
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Cancel safety
    /// As for [`Command::status`].
    pub async fn output(&mut self) -> io::Result<Output> {
        self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn()?.communicate(&[]).await
    }
}

impl From<std::process::Command> for Command {
    fn from(command: std::process::Command) -> Self {
        Self { command, kill_on_drop: false }
    }
}
