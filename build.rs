//! Builds the client, so that it can be embedded: installs its tools with `npm ci` where `package-lock.json` changed,
//! and has Vite write it, compressed forms included, into `$OUT_DIR/client`.
//!
//! Needs Node.js and npm. Where they are not at hand, `MELANGERIE_CLIENT_DIST=<directory>` embeds a client that was
//! built elsewhere (`npm run build` in `client` leaves it in `client/dist`): for packagers, and for whoever works on
//! the server alone.
//!
//! Never changes a published or vendored copy of the sources: there it works on a copy below `OUT_DIR`.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, exit};

const PREBUILT: &str = "MELANGERIE_CLIENT_DIST";
/// What the client is built from; a change of any of it builds it again.
const SOURCES: [&str; 8] = [
    ".npmrc",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "public",
    "scripts",
];
/// The lock that `node_modules` was installed from, kept inside it.
const INSTALLED_LOCK: &str = "node_modules/.installed-package-lock.json";
/// What Vite asks for (`engines` in its `package.json`).
const NODE_VERSIONS: &str = "20.19 or newer of 20, 22.12 or newer of 22, or any later version";

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    let built = match env::var_os(PREBUILT) {
        Some(directory) => embed_prebuilt(Path::new(&directory), &out),
        None => build_client(&root, &out),
    };
    if let Err(message) = built {
        // Cargo shows this in full, without a backtrace that would tell nobody anything.
        eprintln!("\nerror: {message}\n");
        exit(1);
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

fn embed_prebuilt(directory: &Path, out: &Path) -> Result<(), String> {
    if !directory.join("index.html").is_file() {
        return Err(format!(
            "{PREBUILT} is {}, which has no index.html.\n\
             Set it to the absolute path of a built client, or unset it to build the client here.",
            directory.display()
        ));
    }
    println!("cargo::rerun-if-changed={}", directory.display());
    replace_directory(directory, &out.join("client"))
}

fn build_client(root: &Path, out: &Path) -> Result<(), String> {
    let sources = root.join("client");
    if !sources.join("package.json").is_file() {
        return Err(format!(
            "The client's sources are not in {}.\n\
             Check them out, or set {PREBUILT} to the absolute path of a built client.",
            sources.display()
        ));
    }
    println!("cargo::rerun-if-changed={}", sources.join("src").display());
    for source in SOURCES.map(|name| sources.join(name)) {
        // Cargo takes a path that does not exist for one that always changes.
        if source.exists() {
            println!("cargo::rerun-if-changed={}", source.display());
        }
    }
    check_node()?;
    let built = out.join("client");
    if is_distributed(root) {
        let copy = out.join("client-sources");
        replace_directory(&sources, &copy)?;
        return install_and_build(&copy, &built);
    }
    // Two builds at once, of two profiles for example, share `node_modules`.
    let lock_path = sources.join(".build-lock");
    let lock = File::create(&lock_path)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| failed("lock", &lock_path, &error))?;
    let result = install_and_build(&sources, &built);
    drop(lock);
    result
}

/// Published crates and vendored ones have these files, checkouts have not.
fn is_distributed(root: &Path) -> bool {
    [".cargo_vcs_info.json", ".cargo-checksum.json"]
        .iter()
        .any(|name| root.join(name).exists())
}

fn install_and_build(client: &Path, built: &Path) -> Result<(), String> {
    let lock_path = client.join("package-lock.json");
    let lock = fs::read(&lock_path).map_err(|error| failed("read", &lock_path, &error))?;
    let stamp = client.join(INSTALLED_LOCK);
    if fs::read(&stamp).ok().as_ref() != Some(&lock) {
        npm(client, &["ci", "--no-audit", "--no-fund"])?;
        fs::write(&stamp, &lock).map_err(|error| failed("write", &stamp, &error))?;
    }
    let out_dir = built.to_string_lossy();
    npm(
        client,
        &["run", "build", "--", "--outDir", &out_dir, "--emptyOutDir"],
    )?;
    if built.join("index.html").is_file() {
        return Ok(());
    }
    Err(format!(
        "The client's build left no index.html in {}. Check `build` in client/package.json.",
        built.display()
    ))
}

/// npm is a script on Windows, which only its full name starts.
fn npm_command() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

fn npm(client: &Path, arguments: &[&str]) -> Result<(), String> {
    let shown = format!("npm {}", arguments.join(" "));
    let output = npm_command()
        .args(arguments)
        .current_dir(client)
        .output()
        .map_err(|error| {
            missing(&format!(
                "`{shown}` cannot be started: {error}. npm comes with Node.js."
            ))
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`{shown}` failed in {} ({}). It said:\n\n{}",
        client.display(),
        output.status,
        said(&output)
    ))
}

fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{err}")
}

/// Better said here than by whatever breaks first in an old version.
fn check_node() -> Result<(), String> {
    let output = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|error| missing(&format!("Node.js cannot be started: {error}.")))?;
    let version = said(&output);
    let version = version.trim();
    if is_new_enough(version) {
        return Ok(());
    }
    Err(missing(&format!("Node.js here is {version}.")))
}

/// `version` is like `v22.12.0`.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches('v')
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match major {
        20 => minor >= 19,
        22 => minor >= 12,
        _ => major > 22,
    }
}

fn missing(what: &str) -> String {
    format!(
        "Building the client needs Node.js with npm: {NODE_VERSIONS}.\n\
         {what}\n\
         Install it from https://nodejs.org or from your system's packages, or set {PREBUILT}\n\
         to the absolute path of a client that was built elsewhere."
    )
}

/// Makes `to` a copy of `from`, without what npm installed.
fn replace_directory(from: &Path, to: &Path) -> Result<(), String> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(|error| failed("empty", to, &error))?;
    }
    copy_directory(from, to).map_err(|error| failed("copy", from, &error))
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|&name| name != "node_modules") else {
            continue;
        };
        let target = to.join(name);
        if path.is_dir() {
            copy_directory(&path, &target)?;
        } else {
            // Copied as bytes: sources may be read-only, and a copy must not be.
            fs::write(&target, fs::read(&path)?)?;
        }
    }
    Ok(())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> String {
    format!("Cannot {what} {}: {error}.", path.display())
}
