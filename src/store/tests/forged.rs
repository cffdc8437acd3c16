//! Lines whose checksums fit and whose numbers are absurd: refused by name, or repaired with what that costs told.
//! Nothing grows with such a number; were it otherwise, these tests would not end.

use super::double::*;
use super::repairs::{check, directory, repair, try_repair};
use super::*;

const HUGE: u64 = 1 << 60;

/// In the object of a file that holds `from`, puts `to` in its place, with the checksums that fit.
fn forge(disk: &MemoryDisk, name: &str, from: &str, to: &str) -> MemoryDisk {
    let mut content = disk.files()[name].clone();
    let at = memchr::memmem::find(&content, from.as_bytes()).expect(from);
    let piece = line::pieces(&content)
        .into_iter()
        .find(|piece| piece.whole && (piece.start..piece.end).contains(&at));
    // The head of `state.json` has no checksum of its own.
    if let Some(piece) = piece {
        let object = std::str::from_utf8(&content[piece.start..piece.end]).unwrap();
        let body = &object[..line::unsealed_length(object.as_bytes()).unwrap()];
        let mut forged = body.replacen(from, to, 1).into_bytes();
        line::seal(&mut forged, 0);
        content.splice(piece.start..piece.end, forged);
    } else {
        content.splice(at..at + from.len(), to.bytes());
    }
    if name == snapshot::FILE {
        content.pop();
        let body = line::unsealed_length(&content).unwrap();
        content.truncate(body);
        line::seal(&mut content, 0);
        content.push(b'\n');
    }
    let disk = disk.survivor(Survival::All);
    disk.put(name, content, true);
    disk
}

/// The start is refused and `check` says why, both with `named` in their words; nothing is changed by it.
fn assert_refused(disk: &MemoryDisk, named: &str) {
    let files = disk.files();
    let problems = check(disk).problems;
    assert!(
        problems.iter().any(|p| p.contains(named)),
        "{named}: {problems:#?}"
    );
    assert!(problems.len() < 20, "{problems:#?}");
    let error = open_disk(Box::new(disk.clone()), small(), 1).err();
    let error = error
        .unwrap_or_else(|| panic!("{named}: it starts"))
        .to_string();
    assert!(
        error.contains("jsonl") || error.contains("state.json"),
        "{error}"
    );
    assert_eq!(disk.files(), files);
}

/// After a repair it starts, with about as many lines as there were. Returns what was told.
fn assert_repaired(disk: &MemoryDisk, told: &str) {
    let losses = repair(disk);
    assert!(
        losses.iter().any(|loss| loss.contains(told)),
        "{told}: {losses:#?}"
    );
    assert_eq!(check(disk).problems, Vec::<String>::new(), "{losses:#?}");
    let opened = open_disk(Box::new(disk.clone()), small(), 1).unwrap();
    let reader = opened.store.reader();
    let lines: usize = contents(&opened.state, &reader)
        .iter()
        .map(|(_, lines)| lines.len())
        .sum();
    assert!((10..=20).contains(&lines), "{lines} lines: {losses:#?}");
}

#[test]
fn a_huge_number_in_a_line_is_named_and_nothing_grows_with_it() {
    let huge = |key: &str| format!(r#""{key}":{HUGE}"#);
    let last = |key: &str| format!(r#""{key}":{}"#, u64::MAX);
    for number in [huge, last] {
        for (file, from, key, line) in [
            (
                "journal-000002.jsonl",
                r#""seq":6,"sender":"mira""#,
                "seq",
                "line 4",
            ),
            (
                "journal-000002.jsonl",
                r#""seq":7,"sender":"mira""#,
                "seq",
                "line 7",
            ),
            (
                "rooms/000001/000000001.jsonl",
                r#""seq":3,"sender":"Eva""#,
                "seq",
                "line 3",
            ),
            (
                "rooms/000001/000000005.jsonl",
                r#""seq":5,"sender":"Eva""#,
                "seq",
                "line 1",
            ),
            (
                "reports/000000001.jsonl",
                r#""seq":1,"name":"Eva""#,
                "seq",
                "line 1",
            ),
        ] {
            let rest = &from[from.find(',').unwrap()..];
            let disk = forge(&directory(), file, from, &(number(key) + rest));
            assert_refused(&disk, &format!("{file}, line"));
            assert_refused(&disk, line);
            assert_repaired(&disk, "");
        }
    }
    let file = "journal-000002.jsonl";
    let from = r#""seq":7,"sender":"mira""#;
    let disk = forge(
        &directory(),
        file,
        from,
        &format!(r#""seq":{HUGE},"sender":"mira""#),
    );
    assert_repaired(&disk, "By journal-000002.jsonl, line");
}

#[test]
fn a_huge_number_of_an_event_is_no_count_of_what_is_lost() {
    for n in [HUGE, u64::MAX] {
        let disk = forge(
            &directory(),
            "journal-000002.jsonl",
            r#"{"n":5,"#,
            &format!(r#"{{"n":{n},"#),
        );
        assert_refused(&disk, "journal-000002.jsonl, line 6");
        assert_repaired(&disk, "line 6 cannot be read");
    }
}

#[test]
fn a_huge_count_in_the_state_is_refused_and_repaired() {
    let state = snapshot::FILE;
    let disk = directory();
    let text = String::from_utf8(disk.files()[state].clone()).unwrap();
    let office = text
        .lines()
        .find(|line| line.contains(r#""name":"Office""#))
        .unwrap();
    let last = &office[office.find(r#"{"first":5,"#).unwrap()..];
    let bytes = last.split(r#""bytes":"#).nth(1).unwrap();
    let bytes = bytes.split(',').next().unwrap();
    let recorded = format!(r#"{{"first":5,"messages":1,"bytes":{bytes},"#);
    let total = r#""last_seq":5,"#;
    for claimed in [bytes.parse().unwrap(), HUGE] {
        for messages in [100, HUGE] {
            let more = format!(r#"{{"first":5,"messages":{messages},"bytes":{claimed},"#);
            let forged = forge(
                &directory(),
                state,
                total,
                &format!(r#""last_seq":{},"#, messages + 4),
            );
            let forged = forge(&forged, state, &recorded, &more);
            // By the size and time of its file, which a start trusts.
            let opened = open_disk(Box::new(forged.survivor(Survival::All)), small(), 1);
            assert!(messages == 100 || opened.is_err());
            let problems = check(&forged).problems;
            let named = ["state.json", "rooms/000001/000000005.jsonl"];
            assert!(
                problems
                    .iter()
                    .any(|p| named.iter().any(|name| p.starts_with(name))),
                "{problems:#?}"
            );
            let losses = repair(&forged);
            assert!(
                losses
                    .iter()
                    .any(|loss| loss.contains("Office") || loss.contains(state)),
                "{losses:#?}"
            );
            assert_eq!(check(&forged).problems, Vec::<String>::new(), "{losses:#?}");
        }
    }
}

#[test]
fn the_state_names_no_journal_that_cannot_be() {
    for number in [u64::MAX, HUGE] {
        let disk = forge(
            &directory(),
            snapshot::FILE,
            r#""journal":2,"#,
            &format!(r#""journal":{number},"#),
        );
        assert_refused(&disk, "state.json is damaged: no journal has the number");
        assert_repaired(&disk, "state.json is damaged");
    }
}

#[test]
fn a_huge_number_of_a_room_makes_no_rooms() {
    let disk = forge(
        &directory(),
        snapshot::FILE,
        r#"{"id":1,"#,
        &format!(r#"{{"id":{},"#, u32::MAX),
    );
    assert_refused(
        &disk,
        "state.json is damaged: room 4294967295 stands at place 1",
    );
    assert_repaired(
        &disk,
        r#"state.json: the room "Office" has the number 4294967295"#,
    );

    let disk = directory();
    let far = format!("rooms/{}", u32::MAX);
    disk.create_directory(&far).unwrap();
    disk.add(
        &format!("{far}/000000001.jsonl"),
        &disk.files()["rooms/000001/000000001.jsonl"],
    );
    assert_eq!(
        check(&disk).problems,
        Vec::<String>::new(),
        "nothing names it"
    );
    disk.delete(snapshot::FILE);
    assert_refused(&disk, "state.json is missing");
    let files = disk.files();
    let error = try_repair(&disk).unwrap_err().to_string();
    assert!(error.starts_with(&far), "{error}");
    assert_eq!(disk.files(), files);
}

#[test]
fn a_huge_number_in_the_name_of_a_file_is_no_count() {
    let segment = format!("rooms/000001/{}.jsonl", u64::MAX);
    let disk = directory();
    disk.add(&segment, &disk.files()["rooms/000001/000000001.jsonl"]);
    disk.delete(snapshot::FILE);
    assert_refused(&disk, &format!("{segment}, line 1"));
    assert_repaired(&disk, "state.json is missing");

    for number in [u64::MAX, HUGE] {
        let journal = journal::file(number);
        let disk = directory();
        disk.add(&journal, &journal::header(number, None));
        assert_refused(&disk, "journal-000003.jsonl is missing");
        let files = disk.files();
        let error = try_repair(&disk).unwrap_err().to_string();
        assert!(error.starts_with(&journal), "{error}");
        assert_eq!(disk.files(), files);
    }
    let disk = directory();
    disk.add(
        "journal-1000000000.jsonl",
        &journal::header(1_000_000_000, None),
    );
    assert_refused(&disk, "journal-000003.jsonl is missing");
    assert_repaired(
        &disk,
        "journal-000003.jsonl and the 999999996 after it are missing",
    );
}

#[test]
fn a_line_that_stands_twice_is_one_problem() {
    let disk = directory();
    let file = "rooms/000001/000000001.jsonl";
    let content = disk.files()[file].clone();
    let end = content.iter().position(|&b| b == b'\n').unwrap() + 1;
    let twice = [&content[..end], &content].concat();
    disk.put(file, twice, true);
    let problems = check(&disk).problems;
    let told = format!("{file}, line 2 is damaged: it is not number 2, which belongs there.");
    assert_eq!(problems[0], told);
    // What is recorded ends within the last line now.
    assert!(problems.len() <= 2, "{problems:#?}");
    assert!(repair(&disk).is_empty(), "nothing is lost");
}

/// What is lost is filled as long as that is possible at all.
#[test]
fn logs_that_lack_little_are_filled_before_one_that_lacks_much() {
    let disk = directory();
    let (from, to) = (
        r#""seq":7,"sender":"mira""#,
        format!(r#""seq":{HUGE},"sender":"mira""#),
    );
    let disk = forge(&disk, "journal-000002.jsonl", from, &to);
    let disk = super::repairs::damage(&disk, "rooms/000000/000000001.jsonl", r#""seq":1"#);
    assert_repaired(&disk, r#"The room "general" has lost 1 message: 1."#);
}
