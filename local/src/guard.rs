//! Children that never outlive this process, even when it is killed without a chance to clean up.
//!
//! A process that dies by `SIGKILL` runs no destructor, but the system always closes its pipes.
//! So each guarded child gets a watcher: a shell that waits for the end of a pipe whose other end
//! only we hold. When the pipe ends, for whatever reason, the watcher ends the child. An orderly
//! stop takes the same path, so the way that matters most is also the way that always runs.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long the watcher sleeps between two looks at a child that was told to end.
const PAUSE: Duration = Duration::from_millis(50);

/// `$1` signal, `$2` process id, or minus the group id, `$3` how many pauses to allow, `$4` a pause
/// in seconds. The built-in `kill` is used because small systems have no `kill` program.
const WATCHER: &str = r#"
read -r word
[ "$word" = off ] && exit 0
kill -s "$1" -- "$2" || exit 0
left=$3
while [ "$left" -gt 0 ] && kill -s 0 -- "$2"; do
  sleep "$4"
  left=$((left - 1))
done
kill -s KILL -- "$2"
"#;

/// Ends a process, or a whole process group, as soon as this value or this process is gone.
pub(crate) struct Guard {
    watcher: Child,
    lifeline: Option<ChildStdin>,
}

impl Guard {
    /// Guards one process: `signal` (a name such as `INT`) first, `KILL` when it is still there
    /// after `grace`. Fails when the watching shell cannot be started.
    pub(crate) fn process(pid: u32, signal: &str, grace: Duration) -> io::Result<Self> {
        Self::start(&pid.to_string(), signal, grace, Stdio::null())
    }

    /// Guards every process of the group that `leader` leads, in the same way. Start the leader
    /// with [`CommandExt::process_group`]`(0)`, so that it has a group of its own.
    pub(crate) fn group(leader: u32, signal: &str, grace: Duration) -> io::Result<Self> {
        Self::start(&format!("-{leader}"), signal, grace, Stdio::null())
    }

    /// As [`Guard::group`]; a lock on `file` outlives this process until the group has ended.
    pub(crate) fn group_holding(leader: u32, signal: &str, grace: Duration, file: File) -> io::Result<Self> {
        Self::start(&format!("-{leader}"), signal, grace, file.into())
    }

    fn start(target: &str, signal: &str, grace: Duration, held: Stdio) -> io::Result<Self> {
        let pauses = grace.as_millis() / PAUSE.as_millis();
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHER, "watcher", signal, target])
            .args([pauses.to_string(), PAUSE.as_secs_f64().to_string()])
            .stdin(Stdio::piped())
            .stdout(held)
            .stderr(Stdio::null())
            .current_dir("/")
            // Ctrl-C reaches the terminal's foreground group, and must not reach the watcher.
            .process_group(0)
            .spawn()?;
        let lifeline = watcher.stdin.take();
        Ok(Self { watcher, lifeline })
    }

    /// Ends the guarded target and waits until it is gone: at most the grace and a moment.
    /// `child` is the guarded process, or the leader of the guarded group.
    pub(crate) fn end(mut self, child: &mut Child) -> io::Result<ExitStatus> {
        drop(self.lifeline.take());
        let status = child.wait();
        self.watcher.wait()?;
        status
    }

    /// Lets go of a target that is known to have ended, so that no signal can reach another
    /// process which is later given the same number.
    pub(crate) fn disarm(mut self) {
        if let Some(mut lifeline) = self.lifeline.take() {
            // A watcher that no longer reads has ended, and signals nothing either.
            let _ = lifeline.write_all(b"off\n");
        }
        let _ = self.watcher.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // After `end` and `disarm` the watcher is gone. Otherwise the target is told to end here,
        // and the watcher is left to it: waiting could block for as long as the grace.
        drop(self.lifeline.take());
    }
}

/// Runs a command to its end as [`Command::status`] does, but in a group of its own that is
/// terminated together with this process.
pub(crate) fn run(command: &mut Command) -> io::Result<ExitStatus> {
    run_reading(command, Stdio::null())
}

/// As [`run`], of a command that reads `input`.
pub(crate) fn run_reading(command: &mut Command, input: Stdio) -> io::Result<ExitStatus> {
    let mut child = command.stdin(input).process_group(0).spawn()?;
    match Guard::group(child.id(), "TERM", Duration::from_secs(2)) {
        Ok(guard) => {
            let status = child.wait();
            guard.disarm();
            status
        }
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::ExitStatusExt;
    use std::thread;
    use std::time::Instant;

    /// A shell in a group of its own that says `ready` once its script has got that far.
    fn shell(script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
        let mut child =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        (child, output)
    }

    #[test]
    fn ends_a_process_with_the_signal_it_was_given() {
        let (mut child, _output) = shell("echo ready; exec sleep 60");
        let guard = Guard::process(child.id(), "ALRM", Duration::from_secs(5)).unwrap();
        assert_eq!(guard.end(&mut child).unwrap().signal(), Some(14));
    }

    #[test]
    fn kills_a_process_that_ignores_the_signal() {
        let (mut child, _output) = shell("trap '' TERM; echo ready; while :; do sleep 0.1; done");
        let guard = Guard::process(child.id(), "TERM", Duration::from_millis(200)).unwrap();
        assert_eq!(guard.end(&mut child).unwrap().signal(), Some(9));
    }

    #[test]
    fn ends_every_process_of_a_group() {
        let (mut child, mut output) = shell("sleep 60 & sleep 60 & echo ready; wait");
        let guard = Guard::group(child.id(), "TERM", Duration::from_secs(5)).unwrap();
        guard.end(&mut child).unwrap();
        // The pipe ends only when no process of the group holds it any more.
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    #[test]
    fn works_with_other_guards_alive() {
        let (mut first, _first_output) = shell("echo ready; exec sleep 60");
        let (mut second, _second_output) = shell("echo ready; exec sleep 60");
        let grace = Duration::from_secs(5);
        let first_guard = Guard::process(first.id(), "TERM", grace).unwrap();
        let second_guard = Guard::process(second.id(), "TERM", grace).unwrap();
        first_guard.end(&mut first).unwrap();
        assert!(second.try_wait().unwrap().is_none());
        second_guard.end(&mut second).unwrap();
    }

    #[test]
    fn leaves_the_target_alone_once_disarmed() {
        let (mut child, _output) = shell("echo ready; exec sleep 60");
        Guard::process(child.id(), "KILL", Duration::ZERO).unwrap().disarm();
        thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn dropping_it_ends_the_target() {
        let (mut child, _output) = shell("echo ready; exec sleep 60");
        drop(Guard::process(child.id(), "TERM", Duration::from_secs(5)).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(15));
    }

    #[test]
    fn run_gives_the_status_without_delay() {
        let started = Instant::now();
        let status = run(Command::new("sh").args(["-c", "exit 7"])).unwrap();
        assert_eq!(status.code(), Some(7));
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(run(&mut Command::new("/nonexistent/program")).is_err());
    }

    #[test]
    fn the_watcher_is_in_a_group_of_its_own() {
        let (mut child, _output) = shell("echo ready; exec sleep 60");
        let guard = Guard::process(child.id(), "TERM", Duration::from_secs(5)).unwrap();
        let watcher = guard.watcher.id();
        if let Ok(stat) = fs::read_to_string(format!("/proc/{watcher}/stat")) {
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            assert_eq!(fields[2], watcher.to_string());
        }
        guard.end(&mut child).unwrap();
    }
}
