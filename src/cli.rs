//! The command line: one table of options, from which both the parsing and `--help` are made.
//!
//! Owns the form of options and their defaults. Touches no file; the only thing it may ask the system is the address of
//! a host's name in `--listen`.

mod commands;
mod values;
mod wrap;

pub use values::normalise_origin;

use crate::limits;
use commands::{COMMANDS, Command};
use lexopt::{Arg, Parser};
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use values::{add_origin, directory, number, resolve, text};
use wrap::wrap;

/// What `--help` begins with.
const ABOUT: &str = "\
Melangerie: team chat for the office network, in one executable.

Start it on any machine; everybody on the network opens http://that-machine:8080
and talks. The first account is the administrator's. Nothing must be configured.

Usage: melangerie [serve] [options]
       melangerie check | repair [--data DIR]
       melangerie --help | --version
";

/// What `--help` ends with.
const NOTES: &str = "\
Environment:
  JWT_SECRET
          The key that signs sessions, at least 16 bytes. Without it, a random
          one is made on the first start and kept in the data directory.

Signals: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal is closed) make
everything durable and stop.
Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage.
";

/// How the server runs: what the options say, and their defaults where they say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// Origins that may use the server from their own pages, as browsers write them (see [`normalise_origin`]).
    pub allow_origins: Vec<String>,
    /// Nobody may register, but the first user of an empty server.
    pub close_registration: bool,
    /// Whether messages, failed logins and open requests are limited.
    pub rate_limits: bool,
    /// Connections in all; the system's own limits may leave room for fewer.
    pub max_connections: usize,
    /// Connections from one address, loopback excepted.
    pub max_connections_per_address: usize,
    /// What may wait for one slow connection before it is cut.
    pub backlog_bytes: usize,
    /// A journal of this size is folded into segments.
    pub journal_bytes: u64,
    /// `log.txt` is rotated at this size.
    pub log_bytes: u64,
    /// Every connection is drained by a thread of its own, as where sockets cannot send without blocking.
    pub writer_threads: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            data: PathBuf::from("melangerie-data"),
            allow_origins: Vec::new(),
            close_registration: false,
            rate_limits: true,
            max_connections: limits::CONNECTIONS,
            max_connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
            backlog_bytes: limits::BACKLOG_BYTES,
            journal_bytes: limits::JOURNAL_BYTES,
            log_bytes: limits::LOG_BYTES,
            writer_threads: false,
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    Serve(Config),
    /// Verify the data directory.
    Check(Config),
    /// Make a damaged data directory usable.
    Repair(Config),
    /// Print [`help`].
    Help,
    /// Print [`version`].
    Version,
}

/// Wrong usage: exit code 2. Its text names the option, and is to be written to stderr after `melangerie: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nTry 'melangerie --help'.", self.0)
    }
}

impl std::error::Error for UsageError {}

struct Flag {
    name: &'static str,
    short: Option<char>,
    effect: Effect,
    help: &'static str,
}

enum Effect {
    Help,
    Version,
    Switch(fn(&mut Config)),
    Value {
        /// What stands for the value in `--help`.
        shown: &'static str,
        /// The default as text, where there is one.
        default: fn(&Config) -> Option<String>,
        /// Says what is wrong with the value and what would be right.
        set: fn(&mut Config, &OsStr) -> Result<(), String>,
        repeatable: bool,
    },
}

impl Flag {
    const fn switch(name: &'static str, set: fn(&mut Config), help: &'static str) -> Flag {
        Flag {
            name,
            short: None,
            effect: Effect::Switch(set),
            help,
        }
    }

    const fn value(
        name: &'static str,
        shown: &'static str,
        default: fn(&Config) -> Option<String>,
        set: fn(&mut Config, &OsStr) -> Result<(), String>,
        help: &'static str,
    ) -> Flag {
        let effect = Effect::Value {
            shown,
            default,
            set,
            repeatable: false,
        };
        Flag {
            name,
            short: None,
            effect,
            help,
        }
    }
}

static FLAGS: [Flag; 13] = [
    Flag::value(
        "listen",
        "ADDR:PORT",
        |config| Some(config.listen.to_string()),
        |config, value| resolve(text(value)?).map(|address| config.listen = address),
        "Where to listen. 0.0.0.0 means every IPv4 address of this machine, 127.0.0.1 this machine only; \
         an IPv6 address stands in brackets: [::]:8080. Port 0 takes a free one; the first line that is \
         printed names it.",
    ),
    Flag::value(
        "data",
        "DIR",
        |config| Some(config.data.display().to_string()),
        |config, value| directory(value).map(|path| config.data = path),
        "Where everything is kept: accounts, rooms, history, the log. It is made where it does not exist. \
         A copy of it, taken while the server is stopped, is a backup.",
    ),
    Flag {
        name: "allow-origin",
        short: None,
        effect: Effect::Value {
            shown: "ORIGIN",
            default: |_| None,
            set: |config, value| add_origin(&mut config.allow_origins, text(value)?),
            repeatable: true,
        },
        help: "Let the web pages of another origin, such as https://intranet.example, use this server (CORS and \
               WebSocket). Can be given several times. The server's own pages need no permission.",
    },
    Flag::switch(
        "close-registration",
        |config| config.close_registration = true,
        "Nobody can register any more. On a server without any account the first one still can, and is the \
         administrator.",
    ),
    Flag::switch(
        "no-rate-limits",
        |config| config.rate_limits = false,
        "Do not limit messages, changes of rooms, failed logins, new accounts, name checks and reports. For load \
         tests and migrations, not for a network that others are in.",
    ),
    Flag::value(
        "max-connections",
        "N",
        |config| Some(config.max_connections.to_string()),
        |config, value| number(value, 1..=1_000_000).map(|n| config.max_connections = n as usize),
        "Connections in all. The server takes fewer where the system's limits on open files, threads or memory \
         maps leave less room.",
    ),
    Flag::value(
        "max-connections-per-address",
        "N",
        |config| Some(config.max_connections_per_address.to_string()),
        |config, value| {
            number(value, 1..=1_000_000).map(|n| config.max_connections_per_address = n as usize)
        },
        "Connections from one address. This machine itself is excepted. Raise it where a proxy or a router \
         makes many people look like one.",
    ),
    Flag::value(
        "backlog-bytes",
        "N",
        |config| Some(config.backlog_bytes.to_string()),
        |config, value| number(value, 64 * KIB..=GIB).map(|n| config.backlog_bytes = n as usize),
        "What may wait for one slow connection before it is cut off; it catches up when it comes back.",
    ),
    Flag::value(
        "journal-bytes",
        "N",
        |config| Some(config.journal_bytes.to_string()),
        |config, value| number(value, 4 * KIB..=GIB).map(|n| config.journal_bytes = n),
        "The journal is folded into the rooms' files when it has this size. A larger one means less writing, \
         and a longer start after a crash.",
    ),
    Flag::value(
        "log-bytes",
        "N",
        |config| Some(config.log_bytes.to_string()),
        |config, value| number(value, 4 * KIB..=GIB).map(|n| config.log_bytes = n),
        "log.txt is closed at this size and begun anew; five older ones are kept.",
    ),
    Flag::switch(
        "writer-threads",
        |config| config.writer_threads = true,
        "Send to every connection through a thread of its own, the way that is used on systems whose sockets \
         cannot send without blocking. Slower; for tests.",
    ),
    Flag {
        name: "help",
        short: Some('h'),
        effect: Effect::Help,
        help: "Print this.",
    },
    Flag {
        name: "version",
        short: Some('V'),
        effect: Effect::Version,
        help: "Print the version.",
    },
];

const KIB: u64 = 1024;
const GIB: u64 = 1024 * 1024 * 1024;

/// Understands the arguments after the program's own name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut config = Config::default();
    let mut given: Vec<&Flag> = Vec::new();
    let mut command: Option<&Command> = None;
    while let Some(arg) = parser.next().map_err(|error| unexpected(&error))? {
        let flag = match arg {
            Arg::Value(word) if command.is_none() => {
                command = COMMANDS.iter().find(|command| word == command.name);
                if command.is_none() {
                    return Err(unexpected(&Arg::Value(word).unexpected()));
                }
                continue;
            }
            Arg::Long(name) => FLAGS.iter().find(|flag| flag.name == name),
            Arg::Short(letter) => FLAGS.iter().find(|flag| flag.short == Some(letter)),
            Arg::Value(_) => None,
        };
        let Some(flag) = flag else {
            return Err(unexpected(&arg.unexpected()));
        };
        let repeatable = matches!(
            flag.effect,
            Effect::Value {
                repeatable: true,
                ..
            }
        );
        if given.iter().any(|other| other.name == flag.name) && !repeatable {
            return Err(wrong(flag, "is given twice; give it once"));
        }
        given.push(flag);
        match &flag.effect {
            Effect::Help => return Ok(Invocation::Help),
            Effect::Version => return Ok(Invocation::Version),
            Effect::Switch(set) => set(&mut config),
            Effect::Value { shown, set, .. } => {
                let value = value_of(flag, shown, &mut parser)?;
                set(&mut config, &value)
                    .map_err(|why| wrong(flag, &format!("cannot be {value:?}: {why}")))?;
            }
        }
    }
    let command = command.unwrap_or(&COMMANDS[0]);
    let known = |flag: &&&Flag| command.flags.is_empty() || command.flags.contains(&flag.name);
    if let Some(flag) = given.iter().find(|flag| !known(flag)) {
        let why = format!("says nothing to '{}'; leave it out", command.name);
        return Err(wrong(flag, &why));
    }
    Ok((command.make)(config))
}

/// What `--version` prints: the name and the version, in one line.
pub fn version() -> String {
    format!("melangerie {}\n", env!("CARGO_PKG_VERSION"))
}

/// What `--help` prints, made from the table; at most 80 columns wide.
pub fn help() -> String {
    let defaults = Config::default();
    let mut page = format!("{ABOUT}\nCommands:\n");
    for command in &COMMANDS {
        page += &format!("  {}\n{}\n", command.name, wrap(command.help));
    }
    page += "Options:\n";
    for flag in &FLAGS {
        let short = flag
            .short
            .map_or(String::new(), |letter| format!("-{letter}, "));
        let (mut shown, mut default_line) = ("", String::new());
        if let Effect::Value {
            shown: value,
            default,
            ..
        } = &flag.effect
        {
            shown = value;
            if let Some(default) = default(&defaults) {
                default_line = wrap(&format!("[default: {default}]"));
            }
        }
        let head = format!("  {short}--{} {shown}", flag.name);
        page += &format!("{}\n{}{default_line}\n", head.trim_end(), wrap(flag.help));
    }
    page + NOTES
}

/// The word after the option, or after its `=`. A word that looks like an option is one: its value was forgotten.
fn value_of(flag: &Flag, shown: &str, parser: &mut Parser) -> Result<OsString, UsageError> {
    let missing = || wrong(flag, &format!("needs a value: --{} {shown}", flag.name));
    if let Some(value) = parser.optional_value() {
        return Ok(value);
    }
    let value = parser.value().map_err(|_| missing())?;
    if value.to_string_lossy().starts_with('-') {
        return Err(missing());
    }
    Ok(value)
}

fn wrong(flag: &Flag, why: &str) -> UsageError {
    UsageError(format!("the option --{} {why}.", flag.name))
}

fn unexpected(error: &lexopt::Error) -> UsageError {
    UsageError(match error {
        lexopt::Error::UnexpectedOption(option) => format!("there is no option {option:?}."),
        lexopt::Error::UnexpectedArgument(word) => format!("the word {word:?} is not understood."),
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("the option {option} takes no value, but {value:?} is given.")
        }
        other => format!("{other}."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Invocation, UsageError> {
        parse(args.iter().map(OsString::from))
    }

    fn config(args: &[&str]) -> Config {
        match run(args) {
            Ok(Invocation::Serve(config)) => config,
            other => panic!("{args:?}: {other:?}"),
        }
    }

    fn error(args: &[&str]) -> String {
        run(args).expect_err(&format!("{args:?}")).to_string()
    }

    #[test]
    fn nothing_is_needed() {
        assert_eq!(config(&[]), Config::default());
        assert_eq!(config(&["serve"]), Config::default());
        assert_eq!(Config::default().listen.to_string(), "0.0.0.0:8080");
        assert_eq!(Config::default().data, PathBuf::from("melangerie-data"));
    }

    #[test]
    fn the_first_word_says_what_to_do() {
        let there = Config {
            data: PathBuf::from("there"),
            ..Config::default()
        };
        for args in [["check", "--data", "there"], ["--data", "there", "check"]] {
            assert_eq!(run(&args), Ok(Invocation::Check(there.clone())));
        }
        assert_eq!(run(&["repair"]), Ok(Invocation::Repair(Config::default())));
    }

    #[test]
    fn every_option_sets_its_field() {
        let all = config(&[
            "--listen",
            "[::1]:0",
            "serve",
            "--data=/srv/chat data",
            "--allow-origin",
            "HTTPS://Intranet.Example:443",
            "--allow-origin=http://10.0.0.7:3000",
            "--close-registration",
            "--no-rate-limits",
            "--max-connections",
            "7",
            "--max-connections-per-address",
            "3",
            "--backlog-bytes",
            "65536",
            "--journal-bytes",
            "4096",
            "--log-bytes",
            "8192",
            "--writer-threads",
        ]);
        let expected = Config {
            listen: "[::1]:0".parse().unwrap(),
            data: "/srv/chat data".into(),
            allow_origins: vec![
                "https://intranet.example".into(),
                "http://10.0.0.7:3000".into(),
            ],
            close_registration: true,
            rate_limits: false,
            max_connections: 7,
            max_connections_per_address: 3,
            backlog_bytes: 65_536,
            journal_bytes: 4_096,
            log_bytes: 8_192,
            writer_threads: true,
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn help_and_version() {
        assert_eq!(run(&["--help"]), Ok(Invocation::Help));
        assert_eq!(run(&["serve", "-h"]), Ok(Invocation::Help));
        assert_eq!(run(&["--version", "--nonsense"]), Ok(Invocation::Version));
        assert_eq!(run(&["-V"]), Ok(Invocation::Version));
        assert_eq!(
            version(),
            format!("melangerie {}\n", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn help_names_every_option_and_default_and_fits() {
        let page = help();
        for flag in &FLAGS {
            assert!(page.contains(&format!("--{}", flag.name)), "{}", flag.name);
            assert!(flag.help.ends_with('.'), "{}", flag.name);
        }
        for line in page.lines() {
            assert!(line.chars().count() <= wrap::COLUMNS, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(page.contains("[default: 0.0.0.0:8080]"));
        assert!(page.contains("[default: melangerie-data]"));
        assert!(page.contains(&limits::CONNECTIONS.to_string()));
        assert!(page.contains(&format!("at least {} bytes", limits::SECRET_BYTES_MIN)));
        assert_eq!(limits::LOG_FILES, 5, "--log-bytes says how many");
        // As a reader sees it: lines are broken anywhere.
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "Signals: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal is closed)",
            "Do not limit messages, changes of rooms, failed logins,",
        ] {
            assert!(words.contains(said), "{said}");
        }
    }

    #[test]
    fn wrong_usage_names_the_option_and_points_to_help() {
        for (args, named) in [
            (&["--nonsense"][..], "\"--nonsense\""),
            (&["-x"], "\"-x\""),
            (&["start"], "\"start\""),
            (&["serve", "serve"], "\"serve\""),
            (&["check", "repair"], "\"repair\""),
            (
                &["check", "--listen", "[::]:0"],
                "--listen says nothing to 'check'",
            ),
            (
                &["--no-rate-limits", "repair"],
                "--no-rate-limits says nothing",
            ),
            (&["--", "--data"], "\"--data\""),
            (&["--listen"], "--listen needs a value"),
            (&["--data", "--listen", "x"], "--data needs a value"),
            (&["--data="], "--data cannot be"),
            (&["--no-rate-limits=yes"], "--no-rate-limits takes no value"),
            (
                &["--no-rate-limits", "--no-rate-limits"],
                "--no-rate-limits is given twice",
            ),
            (&["--data", "a", "--data", "a"], "--data is given twice"),
            (&["--max-connections", "0"], "from 1 to 1000000"),
            (
                &["--max-connections", "many"],
                "--max-connections cannot be \"many\"",
            ),
            (&["--backlog-bytes", "1"], "from 65536 to"),
            (&["--journal-bytes", "-1"], "--journal-bytes needs a value"),
            (&["--journal-bytes=-1"], "--journal-bytes cannot be"),
            (
                &["--journal-bytes", "99999999999999999999"],
                "--journal-bytes cannot be",
            ),
            (&["--allow-origin", "*"], "--allow-origin cannot be"),
        ] {
            let message = error(args);
            assert!(message.contains(named), "{args:?}: {message}");
            assert!(message.ends_with("\nTry 'melangerie --help'."), "{message}");
        }
    }

    #[test]
    fn a_value_that_begins_with_a_dash_takes_an_equals_sign() {
        assert_eq!(config(&["--data=-x"]).data, PathBuf::from("-x"));
    }

    #[test]
    fn where_to_listen() {
        let listen = |value: &str| config(&["--listen", value]).listen;
        assert_eq!(listen("127.0.0.1:0"), SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!(listen("[::]:80").to_string(), "[::]:80");
        assert!(listen("localhost:81").ip().is_loopback());
        for bad in [
            "8080",
            ":8080",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:x",
            "::1:8080",
            "[::1]",
            "[::1:8080",
            "http://127.0.0.1:80",
            "a@b:80",
            "",
        ] {
            let message = error(&["--listen", bad]);
            assert!(message.contains("--listen cannot be"), "{bad}: {message}");
            assert!(message.contains("ADDR:PORT"), "{bad}: {message}");
        }
    }

    #[test]
    fn origins_are_kept_once() {
        let twice = config(&[
            "--allow-origin",
            "http://a",
            "--allow-origin",
            "http://A:80",
        ]);
        assert_eq!(twice.allow_origins, ["http://a"]);
    }
}
