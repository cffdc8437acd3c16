//! Letting in, refusing, surviving and stopping, over real sockets.

use super::*;
use std::io::Read;
use std::sync::mpsc;

const CAPS: Caps = Caps {
    total: 3,
    per_address: 2,
};

/// Runs a listener until its stopper is called; `serve` as in [`Listener::run`].
fn start(
    caps: Caps,
    serve: impl Fn(Accepted) + Send + Sync + 'static,
) -> (Arc<Listener>, thread::JoinHandle<()>) {
    let listener = Arc::new(Listener::bind("127.0.0.1:0".parse().unwrap(), caps).unwrap());
    let running = Arc::clone(&listener);
    let handle = thread::spawn(move || {
        let log = Log::discard();
        running.run(&Threads::new(log.clone()), &log, serve)
    });
    (listener, handle)
}

fn read_all(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn beyond_the_cap_the_answer_is_503_and_a_freed_place_is_used_again() {
    let (entered, entries) = mpsc::channel();
    let (listener, handle) = start(
        Caps {
            total: 1,
            per_address: 1,
        },
        move |accepted| {
            entered.send(()).unwrap();
            read_all(&accepted.stream);
            drop(accepted);
            entered.send(()).unwrap();
        },
    );
    let first = TcpStream::connect(listener.address()).unwrap();
    entries.recv().unwrap();
    let second = TcpStream::connect(listener.address()).unwrap();
    let answer = read_all(&second);
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{answer}"
    );
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
    assert!(answer.contains(r#"{"code":"overloaded","#), "{answer}");
    first.shutdown(Shutdown::Write).unwrap();
    entries.recv().unwrap();
    let third = TcpStream::connect(listener.address()).unwrap();
    entries.recv().unwrap();
    drop(third);
    listener.stopper().stop();
    handle.join().unwrap();
}

#[test]
fn a_panic_ends_its_connection_only_and_gives_its_place_back() {
    let (listener, handle) = start(CAPS, |accepted| {
        let mut first = [0];
        (&*accepted.stream).read_exact(&mut first).unwrap();
        assert_ne!(first[0], b'!', "this connection asks for a panic");
        (&*accepted.stream).write_all(&first).unwrap();
    });
    let mut bad = TcpStream::connect(listener.address()).unwrap();
    bad.write_all(b"!").unwrap();
    assert_eq!(read_all(&bad), "");
    let mut good = TcpStream::connect(listener.address()).unwrap();
    good.write_all(b"a").unwrap();
    assert_eq!(read_all(&good), "a");
    listener.stopper().stop();
    handle.join().unwrap();
}

#[test]
fn stopping_twice_is_once_and_nobody_is_let_in_afterwards() {
    let (listener, handle) = start(CAPS, |_| ());
    listener.stopper().stop();
    listener.stopper().stop();
    handle.join().unwrap();
    assert!(listener.stopper().is_stopping());
    assert_eq!(listener.gate().connections(), 0);
}

/// A thousand peers that do not read would have all the memory that the system gives to TCP, and it then resets
/// connections of others.
#[cfg(target_os = "linux")]
#[test]
fn the_systems_buffers_of_a_connection_are_bounded() {
    let (sender, sizes) = mpsc::channel();
    let (listener, handle) = start(CAPS, move |accepted| {
        let socket = SockRef::from(&*accepted.stream);
        let size = (socket.send_buffer_size(), socket.recv_buffer_size());
        sender.send((size.0.unwrap(), size.1.unwrap())).unwrap();
    });
    let _peer = TcpStream::connect(listener.address()).unwrap();
    let (send, receive) = sizes.recv().unwrap();
    assert!(send <= 2 * SEND_BUFFER_BYTES, "{send}");
    assert!(receive <= 2 * RECEIVE_BUFFER_BYTES, "{receive}");
    // Where they are set, the system does not make them larger by itself (tcp(7)).
    assert!(send > 64 * 1024 && receive > 64 * 1024, "{send} {receive}");
    listener.stopper().stop();
    handle.join().unwrap();
}

#[test]
fn the_same_trouble_is_told_now_and_then() {
    let start = Instant::now();
    let mut complaint = Complaint::default();
    assert_eq!(complaint.due(start), Some(1));
    assert_eq!(complaint.due(start + Duration::from_secs(1)), None);
    assert_eq!(complaint.due(start + COMPLAINT_INTERVAL), Some(2));
}
