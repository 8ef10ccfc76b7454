//! A process that was started, until its end.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Output};

use futures_util::FutureExt;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::orphans;
use super::pipes::{ChildStderr, ChildStdin, ChildStdout};
use crate::combinators::try_gather;
use crate::event_loop::{Direction, Registration};

/// A child process.
///
/// To drop it leaves the child running, unless [`Command::kill_on_drop`](super::Command::kill_on_drop) says otherwise;
/// its end is then noticed by the loop, or, once that is gone, as the next child is started.
#[derive(Debug)]
pub struct Child {
    /// The child's input, if it is a pipe. Who is done with it drops it.
    pub stdin: Option<ChildStdin>,
    /// The child's output, if it is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The child's complaints, if they go to a pipe.
    pub stderr: Option<ChildStderr>,
    /// Only a drop takes it out.
    process: Option<Process>,
    kill_on_drop: bool,
}

/// The child, and the descriptor that becomes readable at its end.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) child: std::process::Child,
    end: Registration<OwnedFd>,
    status: Option<ExitStatus>,
}

impl Child {
    pub(super) fn new(mut child: std::process::Child, kill_on_drop: bool) -> io::Result<Self> {
        match Self::watch(&mut child) {
            Ok((stdin, stdout, stderr, end)) => {
                let process = Some(Process { child, end, status: None });
                Ok(Self { stdin, stdout, stderr, process, kill_on_drop })
            }
            Err(error) => {
                // It can't be waited for otherwise; once it is killed, this doesn't take long.
                if child.kill().is_ok() {
                    let _ = child.wait();
                }
                Err(error)
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn watch(
        child: &mut std::process::Child,
    ) -> io::Result<(Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>, Registration<OwnedFd>)> {
        let end = Registration::new(pidfd_open(Pid::from_child(child), PidfdFlags::NONBLOCK)?)?;
        let stdin = child.stdin.take().map(ChildStdin::try_from).transpose()?;
        let stdout = child.stdout.take().map(ChildStdout::try_from).transpose()?;
        let stderr = child.stderr.take().map(ChildStderr::try_from).transpose()?;
        Ok((stdin, stdout, stderr, end))
    }

    /// The child's process id. It may be another's once the child was waited for.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process().child.id()
    }

    /// Waits for the child's end. An end that was waited for is told again.
    ///
    /// A child that reads until the end of its input doesn't end while [`Child::stdin`] is there: drop that before.
    ///
    /// # Errors
    /// What `waitpid(2)` gives, if something else in this process has waited for the child; and one if this is awaited
    /// while the loop in which the child was started doesn't run.
    ///
    /// # Cancel safety
    /// What is given up can be taken up again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process_mut().wait().await
    }

    /// Tells how the child has ended, if it has.
    ///
    /// # Errors
    /// As for [`Child::wait`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process_mut().try_wait()
    }

    /// Kills the child. Its end has to be waited for nevertheless. One that has ended isn't an error.
    ///
    /// # Errors
    /// What `kill(2)` gives, if the child runs under another user's name.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process_mut().child.kill()
    }

    /// Writes `input` to the child, closes its input, and collects what it writes until its end: asyncio's
    /// `communicate`. What isn't a pipe is left out.
    ///
    /// A child that doesn't want all of the input isn't an error.
    ///
    /// # Errors
    /// What reading, writing and waiting give.
    ///
    /// # Cancel safety
    /// What was read by then is lost. The child is dropped: see [`Child`].
    ///
    /// # Examples
    /// ```
    /// use ioxide::process::{Command, Stdio};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// ioxide::run(async {
    ///     let child = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let output = child.communicate(b"b\na\n").await?;
    ///     assert_eq!(output.stdout, b"a\nb\n");
    ///     Ok(())
    /// })?
    /// # }
    /// ```
    pub async fn communicate(mut self, input: &[u8]) -> io::Result<Output> {
        let (stdin, stdout, stderr) = (self.stdin.take(), self.stdout.take(), self.stderr.take());
        let writing = async {
            match stdin {
                Some(stdin) => unless_unwanted(stdin.write_all(input).await),
                None => Ok(()),
            }
        };
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let reading_output = async {
            match stdout {
                Some(stdout) => stdout.read_to_end(&mut output).await.map(drop),
                None => Ok(()),
            }
        };
        let reading_errors = async {
            match stderr {
                Some(stderr) => stderr.read_to_end(&mut errors).await.map(drop),
                None => Ok(()),
            }
        };
        try_gather([writing.boxed_local(), reading_output.boxed_local(), reading_errors.boxed_local()]).await?;
        Ok(Output { status: self.wait().await?, stdout: output, stderr: errors })
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("only a drop takes the process out")
    }

    fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("only a drop takes the process out")
    }
}

impl Process {
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let child = &mut self.child;
        let ended = |_: &OwnedFd| child.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
        let status = self.end.io(Direction::Read, ended).await?;
        self.status = Some(status);
        Ok(status)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.status = self.child.try_wait()?;
        Ok(self.status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if self.kill_on_drop {
            // One that has ended meanwhile, or that may not be killed, is waited for all the same.
            let _ = process.child.kill();
        }
        orphans::adopt(process);
    }
}

/// A child that has closed its input doesn't want the rest.
fn unless_unwanted(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        result => result,
    }
}
