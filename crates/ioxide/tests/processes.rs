//! Child processes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use ioxide::process::{Child, Command, Stdio};
use ioxide::{EventLoop, run, spawn, timeout, yield_now};

/// After which a test has hung.
const PATIENCE: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Whether there is such a process; one that has ended and wasn't waited for still counts.
fn exists(id: u32) -> bool {
    Path::new("/proc").join(id.to_string()).exists()
}

#[test]
fn a_child_is_talked_to_and_its_status_is_told_twice() {
    run(async {
        let mut child = shell("read line; echo \"got $line\"; echo oops >&2; exit 3")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"a line\n").await.unwrap();
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        child.stdout.take().unwrap().read_to_end(&mut output).await.unwrap();
        child.stderr.take().unwrap().read_to_end(&mut errors).await.unwrap();
        assert_eq!((output.as_slice(), errors.as_slice()), (b"got a line\n".as_slice(), b"oops\n".as_slice()));
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(3));
    })
    .unwrap();
}

#[test]
fn more_than_pipes_hold_goes_both_ways_at_once() {
    const SIZE: usize = 1 << 20;
    run(async {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.communicate(&vec![b'x'; SIZE]).await.unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout.len(), SIZE);
    })
    .unwrap();
}

#[test]
fn a_child_that_does_not_want_its_input_is_no_error() {
    run(async {
        let child = shell("exec <&-; echo done").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.communicate(&vec![b'x'; 1 << 20]).await.unwrap();
        assert_eq!(output.stdout, b"done\n");
    })
    .unwrap();
}

#[test]
fn a_piped_input_that_nobody_writes_to_ends_before_the_status_is_waited_for() {
    let status = run(async { timeout(PATIENCE, Command::new("cat").stdin(Stdio::piped()).status()).await });
    assert!(status.unwrap().unwrap().unwrap().success());
}

#[test]
fn without_a_loop_no_program_is_started() {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("started");
    let mut command = shell(r#"echo started >> "$0""#);
    command.arg(&trace);
    assert!(catch_unwind(AssertUnwindSafe(|| command.spawn())).is_err());
    // By the time that its sibling has left a trace, so would it have.
    assert!(run(async { command.status().await }).unwrap().unwrap().success());
    assert_eq!(std::fs::read_to_string(trace).unwrap(), "started\n");
}

#[test]
fn environment_and_directory_are_the_commands() {
    let directory = tempfile::tempdir().unwrap();
    run(async {
        let output = shell("echo $NAME; pwd")
            .env_clear()
            .env("NAME", "value")
            .current_dir(directory.path())
            .output()
            .await
            .unwrap();
        let path = directory.path().canonicalize().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("value\n{}\n", path.display()));
        let error = Command::new("no such program").status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    })
    .unwrap();
}

#[test]
fn a_wait_that_is_given_up_can_be_taken_up_again() {
    run(async {
        let mut child = shell("read line").stdin(Stdio::piped()).spawn().unwrap();
        for _ in 0..2 {
            let waiting = ioxide::timeout(std::time::Duration::ZERO, child.wait()).await;
            assert!(waiting.is_err());
        }
        assert_eq!(child.try_wait().unwrap(), None);
        child.stdin = None;
        assert_eq!(child.wait().await.unwrap().code(), Some(1));
    })
    .unwrap();
}

#[test]
fn a_killed_child_tells_its_signal_and_can_be_killed_again() {
    run(async {
        let mut child = shell("read line").stdin(Stdio::piped()).spawn().unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        child.kill().unwrap();
    })
    .unwrap();
}

/// Waits until a process is gone and was waited for.
async fn gone(id: u32) {
    while exists(id) {
        ioxide::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[test]
fn a_child_that_nobody_waits_for_leaves_no_zombie() {
    run(async {
        let mut child: Child = shell("read line").stdin(Stdio::piped()).spawn().unwrap();
        let (id, stdin) = (child.id(), child.stdin.take());
        drop(child);
        assert!(exists(id));
        drop(stdin);
        gone(id).await;
    })
    .unwrap();
}

#[test]
fn a_child_is_killed_with_its_task_if_that_was_asked_for() {
    run(async {
        let mut command = shell("read line");
        let mut child = command.stdin(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let id = child.id();
        let task = spawn(async move { child.wait().await });
        yield_now().await;
        task.cancel();
        task.await.unwrap_err();
        gone(id).await;
    })
    .unwrap();
}

/// Another descriptor of a child's input, which doesn't end before this.
fn hold_open(child: &mut Child) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(child.stdin.take().unwrap(), 0).unwrap()
}

/// Starts children until those before are gone.
fn all_gone(children: &[u32]) {
    let waiting = async {
        while children.iter().any(|&id| exists(id)) {
            shell("true").status().await.unwrap();
        }
    };
    run(async { timeout(PATIENCE, waiting).await }).unwrap().unwrap();
}

#[test]
fn a_child_that_outlives_its_loop_is_waited_for_as_the_next_one_starts() {
    let left_behind = run(async {
        let mut killed = shell("read line").stdin(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut going_on = shell("read line").stdin(Stdio::piped()).spawn().unwrap();
        let inputs = (hold_open(&mut killed), hold_open(&mut going_on));
        let children = [killed.id(), going_on.id()];
        drop(spawn(async move { killed.wait().await }));
        (children, inputs)
    });
    let (children, (input_of_killed, input)) = left_behind.unwrap();
    assert!(exists(children[1]));
    drop(input);
    all_gone(&children);
    drop(input_of_killed);
}

#[test]
fn a_child_that_is_dropped_in_another_loop_leaves_no_zombie() {
    let event_loop = EventLoop::new().unwrap();
    let mut child = event_loop.run(async { shell("read line").stdin(Stdio::piped()).spawn().unwrap() }).unwrap();
    let (id, input) = (child.id(), hold_open(&mut child));
    run(async move {
        drop(child);
        yield_now().await;
    })
    .unwrap();
    assert!(exists(id));
    drop(input);
    all_gone(&[id]);
}
