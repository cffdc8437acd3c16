//! Thousands who come: how fast they are let in, what they cost, and how fast they catch up.

use crate::RUNS;
use crate::load::stage::{QUIET, launch};
use crate::load::table::{Figure, Table, Target, number};
use crate::load::{Client, Office, Plan, Usage, office};
use melangerie::protocol::RoomKind;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Everybody who waits for anything waits no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections that may be under way at once: about what the system keeps in a listening socket's queue
/// (`net.core.somaxconn`, 4,096 by default). Beyond it the kernel drops what comes, and the peer tries again a second
/// later: a test of that second.
const AT_ONCE: usize = 4_000;

/// Ten thousand connections of `people`, all at once; then what they cost while they are idle.
fn ten_thousand(people: usize) -> (Vec<f64>, Vec<f64>, String) {
    const CONNECTIONS: usize = 10_000;
    let launch = launch();
    let mut office = Office::open(launch.data_path());
    office.hire(people);
    let general = office.last_seqs()["general"];
    office.close();
    let tokens: Vec<String> = (0..people).map(office::token).collect();
    let (mut times, mut memory, mut notes) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..RUNS {
        let server = launch.start();
        let empty = Usage::of(server.pid());
        let mut client = Client::new();
        let room = client.room("general", general);
        let plans = (0..CONNECTIONS)
            .map(|number| Plan::new(tokens[number % people].clone(), vec![(room, general)]));
        let time = client.connect(server.address, plans, AT_ONCE);
        client.settle(QUIET);
        let usage = Usage::of(server.pid());
        times.push(time.as_secs_f64());
        memory.push(usage.resident);
        notes = format!(
            "{:.1} KiB each, peak {:.0} MiB, {:.2} CPU s, {} threads, {} descriptors, {} MB sent",
            (usage.resident - empty.resident) * 1024.0 / CONNECTIONS as f64,
            usage.peak,
            usage.cpu - empty.cpu,
            usage.threads,
            usage.descriptors,
            client.tally.bytes / 1_000_000,
        );
    }
    (times, memory, notes)
}

/// An office of 5,000, each with two devices.
pub fn many(table: &mut Table) {
    let (times, memory, notes) = ten_thousand(5_000);
    let name = "connecting and authenticating 10,000 of 5,000 people";
    table.add(Figure::new(name, "s", Target::AtMost(2.0), times));
    let name = "resident memory, those 10,000 idle";
    table.add(Figure::new(name, "MiB", Target::AtMost(200.0), memory).note(&notes));
}

/// The same without what 5,000 names cost in everybody's `Welcome`.
pub fn many_of_one(table: &mut Table) {
    let (times, memory, notes) = ten_thousand(1);
    let name = "connecting and authenticating 10,000 of one person";
    table.add(Figure::new(name, "s", Target::AtMost(2.0), times));
    let name = "resident memory, those 10,000 idle";
    table.add(Figure::new(name, "MiB", Target::AtMost(200.0), memory).note(&notes));
}

const PEOPLE: usize = 5_000;
/// Rooms of a person, `general` not counted.
const ROOMS_EACH: usize = 20;
/// So that 50 are in each.
const ROOMS: usize = PEOPLE * ROOMS_EACH / 50;
/// What everybody missed: so many in `general`, so many in each room.
const MISSED_IN_GENERAL: u64 = 40;
const MISSED_IN_ROOM: u64 = 3;

/// The rooms of a person; everybody's are others.
fn rooms_of(person: usize) -> impl Iterator<Item = usize> {
    (0..ROOMS_EACH).map(move |nth| (person + nth * 101) % ROOMS)
}

fn room_name(room: usize) -> String {
    format!("team {room:04}")
}

fn write_company(office: &mut Office) {
    let mut members = vec![Vec::new(); ROOMS];
    for person in 0..PEOPLE {
        rooms_of(person).for_each(|room| members[room].push(person));
    }
    office.hire(PEOPLE);
    for (room, members) in members.into_iter().enumerate() {
        let (name, first) = (room_name(room), members[0]);
        office.furnish(&name, RoomKind::Private, members.into_iter());
        for _ in 0..MISSED_IN_ROOM {
            office.write(&name, first, "What was missed. ".repeat(12), None);
        }
    }
    for _ in 0..MISSED_IN_GENERAL {
        office.write("general", 0, "What was missed. ".repeat(12), None);
    }
}

/// After a restart everybody comes back at once, with `since`, and catches up.
pub fn everybody_returns(table: &mut Table) {
    let launch = launch();
    let mut office = Office::open(launch.data_path());
    write_company(&mut office);
    let last = office.last_seqs();
    office.close();
    let tokens: Vec<String> = (0..PEOPLE).map(office::token).collect();
    let (mut times, mut peaks, mut notes) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..RUNS {
        let server = launch.start();
        let before = Usage::of(server.pid());
        let mut client = Client::new();
        let plans = company_plans(&mut client, &last, &tokens);
        let begin = Instant::now();
        client.connect(server.address, plans.into_iter(), AT_ONCE);
        let welcomed = begin.elapsed().as_secs_f64();
        assert!(client.drain(PATIENCE), "{} missing", client.missing_now());
        times.push(begin.elapsed().as_secs_f64());
        assert_eq!((client.tally.missing, client.tally.double), (0, 0));
        let bytes = client.tally.bytes;
        let usage = Usage::of(server.pid());
        peaks.push(usage.peak);
        notes = format!(
            "welcomed after {welcomed:.2} s, {} messages and {} MB in all, {:.2} CPU s, {} threads; 0 missing, 0 double",
            number(client.tally.deliveries as f64),
            bytes / 1_000_000,
            usage.cpu - before.cpu,
            usage.threads
        );
    }
    let name = "5,000 people with 20 rooms each reconnect at once and are caught up";
    table.add(Figure::new(name, "s", Target::AtMost(4.0), times).note(&notes));
    let name = "the server's peak memory in it";
    table.add(Figure::new(name, "MiB", Target::None, peaks));
}

fn company_plans(
    client: &mut Client,
    last: &BTreeMap<String, u64>,
    tokens: &[String],
) -> Vec<Plan> {
    let general = client.room("general", last["general"]);
    let rooms: Vec<u32> = (0..ROOMS)
        .map(|room| client.room(&room_name(room), last[&room_name(room)]))
        .collect();
    let plan = |(person, token): (usize, &String)| {
        let mut since = vec![(general, last["general"] - MISSED_IN_GENERAL)];
        since.extend(rooms_of(person).map(|room| {
            let last = last[&room_name(room)];
            (rooms[room], last - MISSED_IN_ROOM)
        }));
        Plan::new(token.clone(), since)
    };
    tokens.iter().enumerate().map(plan).collect()
}
