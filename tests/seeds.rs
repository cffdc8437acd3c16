//! The seeds of the fuzz targets, and the inputs that once failed, played through what the targets check.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn every_seed_holds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, check) in targets::TARGETS {
        let mut played = 0;
        let files = fs::read_dir(seeds.join(name)).expect("each target has seeds");
        for file in files {
            let path = file.expect("an entry").path();
            let input = fs::read(&path).expect("a seed");
            println!("{}", path.display());
            check(&input);
            // A prefix is an input too, and one that is cut off.
            check(&input[..input.len() / 2]);
            played += 1;
        }
        assert!(played > 2, "{name} has {played} seeds");
    }
    let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    for folder in fs::read_dir(seeds).expect("seeds") {
        let name = folder.expect("an entry").file_name();
        assert!(known.contains(&name.to_str().expect("a name")), "{name:?}");
    }
}
