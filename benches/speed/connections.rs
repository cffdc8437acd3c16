//! Thousands who come: how fast they are let in, what they cost, and how fast they catch up.

use crate::RUNS;
use crate::load::crowd::{self, AT_ONCE};
use crate::load::stage::launch;
use crate::load::table::{Figure, Table, Target, number};
use crate::load::{Client, Office, Plan, Usage, office};
use melangerie::protocol::RoomKind;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Everybody who waits for anything waits no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An office of 5,000, each with two devices.
pub fn many(table: &mut Table) {
    ten_thousand(table, 5_000, "5,000 people");
}

/// The same without what 5,000 names cost in everybody's `Welcome`.
pub fn many_of_one(table: &mut Table) {
    ten_thousand(table, 1, "one person");
}

fn ten_thousand(table: &mut Table, people: usize, of: &str) {
    let crowds = crowd::gather(10_000, people, RUNS);
    let notes = crowds[RUNS - 1].notes();
    let times = crowds.iter().map(|crowd| crowd.seconds).collect();
    let memory = crowds.iter().map(|crowd| crowd.usage.resident).collect();
    let name = format!("connecting and authenticating 10,000 of {of}");
    table.add(Figure::new(&name, "s", Target::AtMost(2.0), times));
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
