//! The process under test: started on a free port of the loopback, killed when its handle is dropped.

use super::http::{Connection, Request};
use super::{HANG, until};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use tempfile::TempDir;

/// What to start the binary with.
pub struct Launch {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    home: Arc<TempDir>,
    data: PathBuf,
    /// What the shell that starts it does first.
    shell: Option<String>,
    /// The user that it runs as, where the tests run as the superuser.
    #[cfg(target_os = "linux")]
    unprivileged: Option<u32>,
}

impl Launch {
    /// Rate limits are off; see [`Launch::limited`].
    pub fn new() -> Launch {
        let mut launch = Launch::limited();
        launch.arguments.push("--no-rate-limits".into());
        launch
    }

    /// With the rate limits that everybody gets.
    pub fn limited() -> Launch {
        let home = TempDir::with_prefix("melangerie-").expect("a temporary directory");
        let data = home.path().join("data");
        Launch {
            arguments: Vec::new(),
            environment: Vec::new(),
            home: Arc::new(home),
            data,
            shell: None,
            #[cfg(target_os = "linux")]
            unprivileged: None,
        }
    }

    pub fn option(mut self, option: &str) -> Launch {
        self.arguments.push(option.into());
        self
    }

    pub fn with(mut self, option: &str, value: &str) -> Launch {
        self.arguments.push(option.into());
        self.arguments.push(value.into());
        self
    }

    pub fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Launch {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Another data directory, inside the launch's own temporary one.
    pub fn data(mut self, name: &str) -> Launch {
        self.data = self.home.path().join(name);
        self
    }

    /// The temporary directory around the data directory; it also is the working directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn data_path(&self) -> &Path {
        &self.data
    }

    /// No file may grow beyond so many blocks of 512 bytes, as if the disk were full: the signal is ignored, so that
    /// writing fails.
    pub fn file_blocks(self, blocks: u32) -> Launch {
        self.after(&format!("trap '' XFSZ; ulimit -S -f {blocks}"))
    }

    /// No more than so many descriptors, standard streams included.
    pub fn open_files(self, most: u32) -> Launch {
        self.after(&format!("ulimit -n {most}"))
    }

    /// The shell does this, then becomes the server.
    pub fn after(mut self, shell: &str) -> Launch {
        self.shell = Some(shell.to_owned());
        self
    }

    /// What was put into the data directory by whoever runs this is the server's user's.
    #[cfg(target_os = "linux")]
    pub fn hand_over(&self) {
        use std::os::unix::fs::chown;
        let Some(user) = self.unprivileged else {
            return;
        };
        let mut directories = vec![self.home.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory of ours") {
                let path = entry.expect("its entries").path();
                chown(&path, Some(user), Some(user)).expect("the superuser may");
                if path.is_dir() {
                    directories.push(path);
                }
            }
        }
    }

    /// As a user without rights: the limit on threads does not bind the superuser.
    #[cfg(target_os = "linux")]
    pub fn unprivileged(mut self) -> Launch {
        /// Nobody's, on any system that we know of.
        const SOMEBODY: u32 = 54_321;
        use std::os::unix::fs::{MetadataExt, chown};
        let home = std::fs::metadata(self.home.path()).expect("a directory");
        if home.uid() == 0 {
            chown(self.home.path(), Some(SOMEBODY), Some(SOMEBODY)).expect("the superuser may");
            self.unprivileged = Some(SOMEBODY);
        }
        self
    }

    pub fn start(&self) -> Server {
        match self.launch() {
            Ok(server) => server,
            Err((code, said)) => panic!("the server did not get ready: {code:?}\n{said}"),
        }
    }

    /// None where it refuses to start.
    pub fn try_start(&self) -> Option<Server> {
        self.launch().ok()
    }

    /// The exit code and the words of a start that must fail.
    pub fn refusal(&self) -> (Option<i32>, String) {
        match self.launch() {
            Ok(_) => (None, "it started".to_owned()),
            Err(refusal) => refusal,
        }
    }

    fn launch(&self) -> Result<Server, (Option<i32>, String)> {
        let stderr = self.home.path().join("stderr.txt");
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).expect("a file for stderr"))
            .spawn()
            .expect("the binary starts");
        let lines = follow(&mut child);
        let first = lines.recv_timeout(HANG);
        let address = first
            .as_deref()
            .ok()
            .and_then(|line| line.strip_prefix("listening on http://"))
            .and_then(|rest| rest.split(['/', ' ']).next())
            .and_then(|address| address.parse().ok());
        let Some(address) = address else {
            if first.is_ok() {
                let _ = child.kill();
            }
            let code = child.wait().ok().and_then(|status| status.code());
            let said = std::fs::read_to_string(&stderr).unwrap_or_default();
            return Err((code, format!("{}{said}", first.unwrap_or_default())));
        };
        Ok(Server {
            child: Mutex::new(child),
            address,
            lines: Mutex::new(lines),
            data: self.data.clone(),
            stderr,
            #[cfg(target_os = "linux")]
            user: self.unprivileged,
            _home: Arc::clone(&self.home),
        })
    }

    fn command(&self) -> Command {
        let binary = self.binary();
        let mut command = match &self.shell {
            None => Command::new(binary),
            Some(first) => {
                let mut shell = Command::new("sh");
                shell
                    .arg("-c")
                    .arg(format!("{first} && exec \"$0\" \"$@\""))
                    .arg(binary);
                shell
            }
        };
        #[cfg(target_os = "linux")]
        if let Some(user) = self.unprivileged {
            use std::os::unix::process::CommandExt;
            command.uid(user).gid(user);
        }
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .args(&self.arguments)
            .current_dir(self.home.path())
            .env_remove("JWT_SECRET")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }
}

impl Launch {
    /// Where a user without rights can execute it too: the superuser's directories may be closed to others.
    #[cfg(target_os = "linux")]
    fn binary(&self) -> PathBuf {
        let built = PathBuf::from(env!("CARGO_BIN_EXE_melangerie"));
        if self.unprivileged.is_none() {
            return built;
        }
        let copy = self.home.path().join("melangerie");
        if !copy.exists() {
            // Another process copies it: a program that is open for writing, be it in a child that another thread is
            // just starting, cannot be executed.
            let copied = Command::new("cp").arg(&built).arg(&copy).status();
            assert!(copied.expect("cp runs").success());
        }
        copy
    }

    #[cfg(not(target_os = "linux"))]
    fn binary(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_BIN_EXE_melangerie"))
    }
}

/// A bare command, without the harness's arguments, in `directory`.
pub fn bare(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_melangerie"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_remove("JWT_SECRET")
        .stdin(Stdio::null());
    command
}

/// The output of a command that should end by itself; one that does not is killed and fails the test.
pub fn run_to_the_end(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let begin = std::time::Instant::now();
    while child.try_wait().expect("the child's status").is_none() {
        if begin.elapsed() > HANG {
            let _ = child.kill();
            let output = child.wait_with_output();
            panic!("the command did not end: {output:?}");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.wait_with_output().expect("the child's output")
}

/// Hands on the lines of stdout, so that the pipe never fills.
pub fn follow(child: &mut Child) -> Receiver<String> {
    let stdout = child.stdout.take().expect("stdout is piped");
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A running server. Dropping it kills it as a power cut would: SIGKILL.
pub struct Server {
    child: Mutex<Child>,
    pub address: SocketAddr,
    lines: Mutex<Receiver<String>>,
    pub data: PathBuf,
    stderr: PathBuf,
    #[cfg(target_os = "linux")]
    user: Option<u32>,
    _home: Arc<TempDir>,
}

impl Server {
    pub fn start() -> Server {
        Launch::new().start()
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{name}: {status}");
    }

    /// Changes a soft limit of the running server, by its name in `prlimit(1)`; `None` raises it as far as it may be.
    #[cfg(target_os = "linux")]
    pub fn limit(&self, resource: &str, soft: Option<u64>) {
        use std::os::unix::process::CommandExt;
        let prlimit = |arguments: &[String]| {
            let mut command = Command::new("prlimit");
            // Only the superuser with all capabilities may change limits of another user's process.
            if let Some(user) = self.user {
                command.uid(user).gid(user);
            }
            command.arg("--pid").arg(self.pid().to_string());
            let output = command.args(arguments).output().expect("prlimit runs");
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            String::from_utf8(output.stdout).expect("text")
        };
        let soft = soft.map_or_else(
            || {
                let hard = ["--raw", "--noheadings", "--output=HARD"].map(str::to_owned);
                prlimit(&[&hard[..], &[format!("--{resource}")]].concat())
            },
            |soft| soft.to_string(),
        );
        prlimit(&[format!("--{resource}={}:", soft.trim())]);
    }

    /// Open descriptors and threads.
    #[cfg(target_os = "linux")]
    pub fn usage(&self) -> (usize, usize) {
        let count = |what: &str| {
            let entries = std::fs::read_dir(format!("/proc/{}/{what}", self.pid()));
            entries.expect("the server runs").count()
        };
        (count("fd"), count("task"))
    }

    /// Whether this connection gets an answer to a request: false where it is closed without.
    pub fn serves(&self, connection: &mut Connection) -> bool {
        connection.send(&self.get("/health").bytes());
        let answer = connection.answer("GET");
        answer.is_some_and(|answer| answer.status == 200)
    }

    /// Connects until somebody is turned away; answers those who are served.
    pub fn fill(&self) -> Vec<Connection> {
        let mut held = Vec::new();
        loop {
            let mut connection = Connection::open(self.address);
            if !self.serves(&mut connection) {
                return held;
            }
            held.push(connection);
        }
    }

    /// Asserts that there is no room for this connection: 503 `overloaded`, or closed.
    pub fn turns_away(&self, mut connection: Connection) {
        connection.send(&self.get("/health").bytes());
        if let Some(answer) = connection.answer("GET") {
            answer.refused(503, "overloaded");
            connection.expect_end();
        }
    }

    /// SIGTERM, and the exit that must follow.
    pub fn stop(&self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    pub fn wait(&self) -> ExitStatus {
        until("the server's exit", || {
            self.child
                .lock()
                .unwrap()
                .try_wait()
                .expect("the child's status")
        })
    }

    pub fn is_running(&self) -> bool {
        matches!(self.child.lock().unwrap().try_wait(), Ok(None))
    }

    /// What it wrote to stdout after the first line, once it has ended.
    pub fn rest_of_stdout(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().collect()
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// `log.txt` as it stands.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log.txt")).unwrap_or_default()
    }

    /// All of the log that is kept, the newest file first.
    pub fn log_with_older(&self) -> String {
        let older = (1..=5).map(|number| self.data.join(format!("log.{number}.txt")));
        let older = older.filter_map(|path| std::fs::read_to_string(path).ok());
        self.log() + &older.collect::<String>()
    }

    pub fn get(&self, path: &str) -> Request {
        Request::new(self.address, "GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        Request::new(self.address, "POST", path)
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let said = self.stderr();
        if !std::thread::panicking() {
            assert!(
                !said.contains("panicked"),
                "a part of the server panicked:\n{said}"
            );
        }
    }
}

/// A server that sends directly, and one that sends by writer threads, as where sockets cannot do otherwise.
pub fn both_ways() -> [Server; 2] {
    [
        Server::start(),
        Launch::new().option("--writer-threads").start(),
    ]
}

/// One server for the tests of a file that do not disturb each other. It ends with the last test that holds it.
pub fn shared() -> Arc<Server> {
    static SHARED: OnceLock<Mutex<Weak<Server>>> = OnceLock::new();
    let mut shared = SHARED
        .get_or_init(|| Mutex::new(Weak::new()))
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(Server::start());
    *shared = Arc::downgrade(&server);
    server
}
