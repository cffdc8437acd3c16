//! HTTP: requests a second by `wrk`, beside a bare `tiny_http::Server` that answers with the same bytes.
//!
//! `wrk` is Debian's, and installed where it is missing. The bare server is a process of its own: the bench's
//! executable, started with [`ARGUMENT`] and a directory with the bodies.

use crate::RUNS;
use crate::common::server::follow;
use crate::common::{Response, Server, encode};
use crate::load::archive::{Archive, room_name};
use crate::load::table::{Figure, Table, Target};
use crate::load::{Usage, office};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Makes the bench's executable be the bare server.
pub const ARGUMENT: &str = "bare-http";
/// Threads of the bare server that answer; it reads requests by as many as there are connections.
const ANSWERING: usize = 4;
/// Connections of `wrk`, which are kept alive, and how many seconds it loads in each run.
const CONNECTIONS: usize = 32;
const SECONDS: u64 = 1;

// ---- the bare server --------------------------------------------------------------------------------

/// Answers `/NAME` with the file of that name in `directory`, for good.
pub fn run(directory: &Path) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    // What is accepted takes it over from the listener (Linux). Without, a long answer waits 40 ms for the reader's
    // delayed acknowledgement, and there is nothing to compare with.
    socket2::SockRef::from(&listener)
        .set_tcp_nodelay(true)
        .expect("no delay");
    let server = tiny_http::Server::from_listener(listener, None).expect("a bound listener");
    println!("{}", server.server_addr().to_ip().expect("an address"));
    let bodies: Vec<(String, &'static [u8])> = std::fs::read_dir(directory)
        .expect("the bodies")
        .map(|entry| {
            let path = entry.expect("a body").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            let body: &'static [u8] = std::fs::read(&path).expect("a body").leak();
            (format!("/{name}"), body)
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..ANSWERING {
            scope.spawn(|| {
                while let Ok(request) = server.recv() {
                    let body = bodies.iter().find(|(name, _)| name == request.url());
                    let (_, body) = body.expect("nothing else is asked for");
                    let kind = tiny_http::Header::from_bytes("Content-Type", "application/json");
                    let response = tiny_http::Response::new(
                        tiny_http::StatusCode(200),
                        vec![kind.expect("a header")],
                        *body,
                        Some(body.len()),
                        None,
                    );
                    // One that is gone needs no answer.
                    let _ = request.respond(response.with_chunked_threshold(usize::MAX));
                }
            });
        }
    });
}

struct BareServer {
    child: Child,
    address: SocketAddr,
}

impl BareServer {
    fn start(directory: &Path) -> BareServer {
        let executable = std::env::current_exe().expect("its own path");
        let mut child = Command::new(executable)
            .arg(ARGUMENT)
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bare server starts");
        let line = follow(&mut child).recv_timeout(Duration::from_secs(10));
        let address = line.expect("a line").parse().expect("an address");
        BareServer { child, address }
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- the row ----------------------------------------------------------------------------------------

/// What is asked for, and what a browser would say with it.
struct Asked {
    name: &'static str,
    target: String,
    headers: Vec<String>,
}

pub fn requests(table: &mut Table) {
    install_wrk();
    let archive = Archive::write(100_000);
    let server = archive.launch.start();
    let asked = [
        Asked {
            name: "health",
            target: "/health".to_owned(),
            headers: Vec::new(),
        },
        Asked {
            name: "history",
            target: format!("/chat/history/{}?before=900", encode(&room_name(7))),
            headers: vec![format!("Authorization: Bearer {}", office::token(0))],
        },
        Asked {
            name: "script",
            target: main_script(&server),
            headers: vec!["Accept-Encoding: gzip, deflate, br".to_owned()],
        },
    ];
    let bodies = tempfile::tempdir().expect("a directory");
    let sizes: Vec<usize> = asked
        .iter()
        .map(|asked| {
            let body = fetch(&server, asked).body;
            std::fs::write(bodies.path().join(asked.name), &body).expect("the disk takes it");
            body.len()
        })
        .collect();
    let bare = BareServer::start(bodies.path());
    for (asked, size) in asked.iter().zip(sizes) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let before = Usage::of(server.pid());
        for _ in 0..RUNS {
            ours.push(wrk(server.address, &asked.target, &asked.headers));
            theirs.push(wrk(
                bare.address,
                &format!("/{}", asked.name),
                &asked.headers,
            ));
        }
        let cpu = Usage::of(server.pid()).cpu - before.cpu;
        let million = ours.iter().sum::<f64>() * SECONDS as f64 / 1e6;
        let notes = format!("{size} bytes, {:.1} CPU s per million", cpu / million);
        let ratio = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
        let name = format!("requests for {}", asked.name);
        table.add(Figure::new(&name, "/s", Target::None, ours).note(&notes));
        let name = "limit: a bare tiny_http::Server with the same bytes";
        table.add(Figure::new(name, "/s", Target::None, theirs));
        table.add(Figure::new("ratio to it", "×", Target::AtLeast(1.0), ratio));
    }
}

fn fetch(server: &Server, asked: &Asked) -> Response {
    let mut request = server.get(&asked.target);
    for header in &asked.headers {
        let (name, value) = header.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    let response = request.send();
    assert_eq!(response.status, 200, "{}", asked.target);
    response
}

/// The module that the page is made of.
fn main_script(server: &Server) -> String {
    let page = server.get("/").send();
    let script = page.text().split("src=\"").find_map(|rest| {
        let name = rest.split('"').next()?;
        (name.starts_with("/assets/") && name.ends_with(".js")).then(|| name.to_owned())
    });
    script.expect("the page has a script")
}

/// Requests a second.
fn wrk(address: SocketAddr, target: &str, headers: &[String]) -> f64 {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--connections", &CONNECTIONS.to_string()]);
    command.args(["--duration", &format!("{SECONDS}s")]);
    for header in headers {
        command.args(["--header", header]);
    }
    let output = command.arg(format!("http://{address}{target}")).output();
    let output = output.expect("wrk runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = ["Non-2xx", "Socket errors"]
        .iter()
        .any(|word| said.contains(word));
    assert!(output.status.success() && !failed, "{said}");
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|rate| rate.trim().parse().ok())
        .expect("a rate")
}

fn install_wrk() {
    let is_there = || Command::new("wrk").arg("--version").output().is_ok();
    if is_there() {
        return;
    }
    let script = "as_root() { if [ \"$(id -u)\" = 0 ]; then \"$@\"; else sudo \"$@\"; fi; }\n\
        as_root apt-get update -q && \
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends wrk";
    let output = Command::new("sh").args(["-c", script]).output();
    let output = output.expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && is_there(),
        "wrk cannot be installed: {said}"
    );
}
