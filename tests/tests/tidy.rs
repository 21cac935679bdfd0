//! The house in order: what no compiler checks, read from the files themselves. Standard library only.
//!
//! Each rule is a function from files to complaints, so that [`the_rules_can_fail`] can show it something bad.

use std::{collections::BTreeSet, fs, path::PathBuf};

/// A text file of the repository.
struct File {
    /// From the root, with slashes.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines of code that are built into a product: without comments, without the tests at the bottom, and none at
    /// all for files that exist for tests alone.
    fn product(&self) -> Vec<(usize, &str)> {
        let for_tests = self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || self.path.contains("/examples/")
            || self.path.contains("/testing/")
            || ["/tests.rs", "/testing.rs", "/suite.rs"].iter().any(|name| self.path.ends_with(name));
        if !self.is_rust() || for_tests {
            return Vec::new();
        }
        let tests_at = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        code(&self.text[..tests_at])
    }
}

/// Numbered lines without what follows `//`. A `//` inside a string is cut too, which can only hide the rest of its line.
fn code(text: &str) -> Vec<(usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap_or(""))).collect()
}

/// Whether `line` uses the crate or path `name`: in `use`, or in front of `::`.
fn names(line: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let whole = !before.is_some_and(inside) && !after.starts_with(inside);
        whole && (after.starts_with("::") || line.trim_start().starts_with("use ") || line.contains(" use "))
    })
}

/// Complaints about every product line in `files` that uses one of `names`.
fn used_by<'f>(files: impl Iterator<Item = &'f File>, forbidden: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.product() {
            for name in forbidden.iter().filter(|name| names(line, name)) {
                complaints.push(format!("{}:{number} uses {name}", file.path));
            }
        }
    }
    complaints
}

// ---- the map ------------------------------------------------------------------------------------------------------------

#[test]
fn the_map_and_the_folders_agree() {
    let paths: BTreeSet<_> = files().into_iter().map(|file| file.path).collect();
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert_none(map_complaints(&map, &paths));
}

/// The map is the text blocks below `### package/` headings: a path, two or more spaces, what it is.
fn map_complaints(map: &str, paths: &BTreeSet<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut mapped = BTreeSet::new();
    let (mut package, mut in_block) = (None, false);
    for line in map.lines() {
        if line.starts_with('#') {
            package = line.strip_prefix("### `").and_then(|rest| rest.split_once("/`")).map(|(name, _)| name);
        } else if line.starts_with("```") {
            in_block = !in_block;
        } else if let (Some(package), true, Some((path, what))) = (package, in_block, line.split_once("  "))
            && !path.is_empty()
        {
            let path = format!("{package}/{}", path.trim_end_matches('/'));
            if what.trim().is_empty() {
                complaints.push(format!("ARCHITECTURE.md says nothing of {path}"));
            }
            if !paths.contains(&path) && !paths.iter().any(|found| found.starts_with(&format!("{path}/"))) {
                complaints.push(format!("ARCHITECTURE.md maps {path}, which is not there"));
            }
            mapped.insert(path);
        }
    }
    for path in places(paths) {
        if !mapped.contains(&path) {
            let (package, rest) = path.split_once('/').unwrap();
            complaints.push(format!("ARCHITECTURE.md lacks a line for {rest} below ### `{package}/`"));
        }
    }
    complaints
}

/// What the map must name: each folder of a package, and each first-level module of its `src/` (`x.rs` stands for the
/// folder `x/` as well).
fn places(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for path in paths {
        let parts: Vec<_> = path.split('/').collect();
        match parts.as_slice() {
            [folder, ..] if folder.starts_with('.') => {}
            [package, "src", module] => drop(places.insert(format!("{package}/src/{module}"))),
            [package, "src", module, ..] if !paths.contains(&format!("{package}/src/{module}.rs")) => {
                places.insert(format!("{package}/src/{module}"));
            }
            [_, "src", ..] => {}
            [package, folder, _, ..] => drop(places.insert(format!("{package}/{folder}"))),
            _ => {}
        }
    }
    places
}

// ---- files --------------------------------------------------------------------------------------------------------------

#[test]
fn files_are_of_readable_length() {
    assert_none(length_complaints(&files()));
}

const LINES_MAX: usize = 800;

fn length_complaints(files: &[File]) -> Vec<String> {
    // Data and a licence are not read from top to bottom.
    let read = files.iter().filter(|file| ![".json", ".lock"].iter().any(|end| file.path.ends_with(end)));
    let long = read.filter(|file| file.text.lines().count() > LINES_MAX);
    long.map(|file| format!("{} has more than {LINES_MAX} lines: split it by noun or by event", file.path)).collect()
}

#[test]
fn nothing_is_left_undone() {
    assert_none(undone_complaints(&files()));
}

fn undone_complaints(files: &[File]) -> Vec<String> {
    // Put together here, so that this file does not contain them.
    let words = [concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    said(files, &words)
}

#[test]
fn nothing_names_a_registry_or_a_machine() {
    assert_none(place_complaints(&files()));
}

/// A host of a package registry in a tracked file ties builds to one place; an absolute path ties them to one machine.
fn place_complaints(files: &[File]) -> Vec<String> {
    let hosts = [
        concat!("crates", ".io"),
        concat!("static.rust", "-lang.org"),
        concat!("pypi", ".org"),
        concat!("pythonhosted", ".org"),
        concat!("npmjs", ".org"),
        concat!("deb.", "debian", ".org"),
        concat!("archive.ubuntu", ".com"),
    ];
    // Cargo writes the registry's name into its lock files.
    let mut complaints = said(files.iter().filter(|file| !file.path.ends_with("Cargo.lock")), &hosts);
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for folder in [concat!("/wo", "rk/"), "/tmp/", "/root/", "/home/"] {
                let absolute = line.match_indices(folder).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || "._-}~)/*$".contains(c))
                });
                // This list is the one place that may.
                if absolute && file.path != "tests/tests/tidy.rs" {
                    complaints.push(format!("{}:{} names a path below {folder}", file.path, number + 1));
                }
            }
        }
    }
    complaints
}

fn said<'f>(files: impl IntoIterator<Item = &'f File>, words: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{} says {word}", file.path, number + 1));
            }
        }
    }
    complaints
}

// ---- one home for each outside crate, arrows, purity --------------------------------------------------------------------

#[test]
fn each_outside_crate_has_one_home() {
    assert_none(home_complaints(&files()));
}

/// Crate, and where it may be named.
const HOMES: [(&str, &[&str]); 6] = [
    ("rocksdb", &["ledger/src/store/rocks.rs"]),
    ("rs_merkle", &["ledger/src/merkle.rs"]),
    ("axum", &["api/src/"]),
    ("openssl", &["ttp/src/crypto.rs", "ttp/src/crypto/", "api/src/tls.rs", "api/src/tls/"]),
    ("prometheus", &["api/src/metrics.rs", "api/src/metrics/"]),
    ("cryptoki", &["api/src/hsm.rs", "api/src/hsm/"]),
];

fn home_complaints(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, homes) in HOMES {
        let at_home = |file: &&File| {
            homes.iter().any(|home| file.path == *home || home.ends_with('/') && file.path.starts_with(home))
        };
        complaints.extend(used_by(files.iter().filter(|file| !at_home(file)), &[name]));
    }
    complaints
}

#[test]
fn the_pure_parts_have_no_world() {
    let files = files();
    let lib = files.iter().find(|file| file.path == "ledger/src/lib.rs").unwrap();
    let impure = behind_store(&lib.text);
    assert!(impure.contains("sequencer") && impure.contains("store") && !impure.contains("proof"), "{impure:?}");
    let pure = files.iter().filter(|file| {
        let ledger = file.path.strip_prefix("ledger/src/").and_then(|rest| rest.split(['/', '.']).next());
        file.path.starts_with("ttp/src/") || ledger.is_some_and(|module| !impure.contains(module))
    });
    assert_none(world_complaints(pure));
}

fn world_complaints<'f>(files: impl Iterator<Item = &'f File>) -> Vec<String> {
    let world =
        ["std::fs", "std::net", "std::env", "std::process", "std::thread", "SystemTime", "Instant", "Utc", "tokio"];
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.product() {
            for name in world {
                // chrono's Utc names a time zone; its clock is Utc::now.
                let found = if name == "Utc" { line.contains("Utc::now") } else { line.contains(name) };
                if found {
                    complaints.push(format!("{}:{number} names {name}", file.path));
                }
            }
        }
    }
    complaints
}

/// The modules that a `lib.rs` has with the feature `store` only.
fn behind_store(lib: &str) -> BTreeSet<&str> {
    let lines: Vec<_> = lib.lines().collect();
    let gated = lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(feature = \"store\")]");
    gated.filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';')).collect()
}

#[test]
fn dependencies_point_one_way() {
    let manifests = files().into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    assert_none(manifests.flat_map(|file| arrow_complaints(&file)).collect());
}

/// Package, and what it may depend on among ours and among the runtimes.
const ARROWS: [(&str, &[&str]); 4] = [
    ("ledger", &["rocksdb"]), // optional: behind the feature `store`
    ("ttp", &["semper-ledger"]),
    ("api", &["semper-ledger", "semper-ttp", "axum", "tokio"]),
    ("ops", &["semper-ledger", "semper-ttp", "semper-api", "tokio"]),
];

fn arrow_complaints(manifest: &File) -> Vec<String> {
    let watched =
        ["semper-ledger", "semper-ttp", "semper-api", "semper-ops", "semper-tests", "rocksdb", "axum", "tokio"];
    let Some((_, allowed)) = ARROWS.iter().find(|(package, _)| manifest.path == format!("{package}/Cargo.toml")) else {
        return Vec::new();
    };
    let mut section = "";
    let mut complaints = Vec::new();
    for line in manifest.text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]" {
            let name = line.split(['.', ' ', '=']).next().unwrap_or("");
            if watched.contains(&name) && !allowed.contains(&name) {
                complaints.push(format!("{} depends on {name}", manifest.path));
            }
            let pure = ["ttp/Cargo.toml", "ledger/Cargo.toml"].contains(&manifest.path.as_str());
            if pure
                && (name == "rocksdb" && !line.contains("optional = true")
                    || name == "semper-ledger" && line.contains("store"))
            {
                complaints.push(format!("{} takes storage into the pure half: {line}", manifest.path));
            }
        }
    }
    complaints
}

// ---- unsafe -------------------------------------------------------------------------------------------------------------

#[test]
fn every_unsafe_has_its_reason() {
    assert_none(unsafe_complaints(&files()));
}

/// A comment that begins with SAFETY must stand directly above.
fn unsafe_complaints(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path != "tests/tests/tidy.rs") {
        let lines: Vec<_> = file.text.lines().map(str::trim).collect();
        for (number, line) in code(&file.text) {
            let found =
                ["unsafe {", "unsafe fn ", "unsafe impl ", "unsafe extern "].iter().any(|form| line.contains(form));
            let above =
                lines[..number - 1].iter().rev().take_while(|line| line.starts_with("//") || line.starts_with("#["));
            if found && !above.into_iter().any(|line| line.contains("SAFETY:")) {
                complaints.push(format!("{}:{number} has no comment SAFETY: above it", file.path));
            }
        }
    }
    complaints
}

// ---- metrics ------------------------------------------------------------------------------------------------------------

#[test]
fn every_listed_metric_is_registered() {
    let files = files();
    let joined = |start: &str, end: &str| -> String {
        let named = |file: &&File| file.path.starts_with(start) && file.path.ends_with(end);
        files.iter().filter(named).map(|file| file.text.as_str()).collect()
    };
    let (lists, code) = (joined("ops/deploy/metrics", ".txt"), joined("api/src/metrics", ".rs"));
    assert!(!lists.is_empty() && !code.is_empty());
    assert_none(metric_complaints(&lists, &code));
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

fn metric_complaints(list: &str, code: &str) -> Vec<String> {
    let listed: BTreeSet<_> =
        list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_whitespace().next()).collect();
    let registered: BTreeSet<_> = code.split('"').filter(|text| text.starts_with("semper_") && is_name(text)).collect();
    let missing = listed.difference(&registered).map(|name| format!("api/src/metrics lacks {name}"));
    missing.chain(registered.difference(&listed).map(|name| format!("ops/deploy/metrics.txt lacks {name}"))).collect()
}

// ---- the rules themselves -----------------------------------------------------------------------------------------------

/// A rule that finds nothing in bad files would keep nothing in order.
#[test]
fn the_rules_can_fail() {
    let file = |path: &str, text: &str| [File { path: path.to_owned(), text: text.to_owned() }];
    let rust = |text: &str| file("ttp/src/role.rs", text);

    assert_eq!(home_complaints(&rust("use openssl::pkey::PKey;\n")).len(), 1);
    assert_eq!(home_complaints(&rust("let db = rocksdb::DB::open(path);\n")).len(), 1);
    assert_eq!(home_complaints(&rust("// openssl::sign would do\n")).len(), 0, "a comment");
    assert_eq!(home_complaints(&rust("#[cfg(test)]\nmod tests {\n    use openssl::rand;\n}\n")).len(), 0, "tests");
    assert_eq!(home_complaints(&file("api/src/router.rs", "use axum::Router;\n")).len(), 0, "at home");
    assert_eq!(home_complaints(&file("ops/src/main.rs", "use axum::Router;\n")).len(), 1);

    assert_eq!(world_complaints(rust("use std::fs;\n").iter()).len(), 1);
    assert_eq!(world_complaints(rust("let now = Utc::now();\n").iter()).len(), 1);
    assert_eq!(world_complaints(rust("use chrono::{DateTime, Utc};\n").iter()).len(), 0);
    assert_eq!(behind_store("pub mod a;\n#[cfg(feature = \"store\")]\npub mod b;\n"), BTreeSet::from(["b"]));

    let manifest = |text: &str| arrow_complaints(&file("ttp/Cargo.toml", text)[0]).len();
    assert_eq!(manifest("[dependencies]\nsemper-ledger.workspace = true\n[dev-dependencies]\ntokio = \"1\"\n"), 0);
    assert_eq!(manifest("[dependencies]\ntokio.workspace = true\n"), 1);
    assert_eq!(manifest("[dependencies]\nsemper-ledger = { workspace = true, features = [\"store\"] }\n"), 1);

    assert_eq!(unsafe_complaints(&rust("let x = unsafe { f() };\n")).len(), 1);
    assert_eq!(unsafe_complaints(&rust("// SAFETY: because\nlet x = unsafe { f() };\n")).len(), 0);

    assert_eq!(length_complaints(&rust(&"\n".repeat(801))).len(), 1);
    assert_eq!(undone_complaints(&rust(concat!("// FIX", "ME later\n"))).len(), 1);
    assert_eq!(place_complaints(&rust("let dir = \"/tmp/x\";\n")).len(), 1);
    assert_eq!(place_complaints(&rust("let dir = out.join(\"a/tmp/x\");\n")).len(), 0, "not absolute");
    assert_eq!(place_complaints(&rust(concat!("// see https://crates", ".io\n"))).len(), 1);

    let listed = "# a comment\nsemper_a_total counter - what\n";
    assert_eq!(metric_complaints(listed, "new(\"semper_a_total\")").len(), 0);
    assert_eq!(metric_complaints(listed, "new(\"semper_b_total\")").len(), 2);

    let paths = ["ledger/src/entry.rs", "ledger/src/store.rs", "ledger/src/store/rocks.rs", "ops/deploy/a.toml"];
    let paths: BTreeSet<_> = paths.map(str::to_owned).into();
    let good = "### `ledger/`\n```text\nsrc/entry.rs  bytes\nsrc/store.rs  rows\n```\n### `ops/`\n```text\ndeploy/  files\n```\n";
    assert_eq!(map_complaints(good, &paths), Vec::<String>::new());
    assert_eq!(map_complaints(&good.replace("src/store.rs  rows\n", ""), &paths).len(), 1, "not mapped");
    assert_eq!(map_complaints(&good.replace("entry.rs", "entries.rs"), &paths).len(), 2, "not there, and not mapped");
}

fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn root() -> PathBuf {
    semper_tests::source_folder().join("..")
}

/// Every text file below the root, except what git ignores.
fn files() -> Vec<File> {
    let ignored = ["target", ".git", ".cargo", "__pycache__", "corpus", "artifacts"];
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(root().join(&folder)).unwrap() {
            let found = found.unwrap();
            let path = folder.join(found.file_name());
            let kind = found.file_type().unwrap();
            if ignored.iter().any(|name| found.file_name() == *name) || kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(found.path()) {
                files.push(File { path: path.to_str().unwrap().replace('\\', "/"), text });
            }
        }
    }
    assert!(files.len() > 100, "found only {} files", files.len());
    files
}
