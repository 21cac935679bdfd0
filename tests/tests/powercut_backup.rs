//! The power fails on the machine that keeps the backups: what was there is there, and a backup that was reported is whole.

use std::fs;
use std::path::Path;

use semper_tests::powercut::{CutMode, Journal, PowerCut};
use semper_tests::server::{Data, Finished, command, run, run_command};
use semper_tests::stamp::granted_by;
use serde_json::Value;
use tempfile::TempDir;

struct Rig {
    folder: TempDir,
    recipient: String,
    data: Data,
}

fn json(end: &Finished) -> Value {
    serde_json::from_str(&end.expect(0).stdout).unwrap_or_else(|error| panic!("{error}: {end:#?}"))
}

impl Rig {
    fn new() -> Self {
        let folder = TempDir::with_prefix("powercut-backup-").unwrap();
        let identity = folder.path().join("identity");
        let end = run(&["backup".as_ref(), "keygen".as_ref(), "--to".as_ref(), identity.as_os_str()]);
        Self { recipient: end.expect(0).stdout.trim().to_owned(), data: Data::demo(), folder }
    }

    fn backup(&self, place: &Path) -> std::process::Command {
        let mut command = command(&["backup", "run", "--json", "--recipient", &self.recipient, "--data"]);
        command.arg(self.data.path()).arg("--to").arg(place);
        command
    }

    fn verify(&self, place: &Path) -> Value {
        let mut command = command(&["backup", "verify", "--json", "--identity"]);
        command.arg(self.folder.path().join("identity")).arg("--from").arg(place).arg("--work").arg(self.folder.path());
        json(&run_command(command))
    }

    fn ids(&self, place: &Path) -> Vec<String> {
        let mut command = command(&["backup", "list", "--json", "--from"]);
        command.arg(place);
        let listed = json(&run_command(command)); // exit 0: no file is missing
        assert_eq!(listed["unreadable"].as_array().map(Vec::len), Some(0), "{listed}");
        let ids = listed["backups"].as_array().unwrap().iter();
        ids.map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_power_cut_leaves_whole_backups() {
    let rig = Rig::new();
    let modes = [CutMode::LoseAll, CutMode::LoseRandom, CutMode::Torn];
    // At which change the power fails; `None` waits for the end: what was reported is durable, whatever else is lost.
    let moments = [None, Some(1), Some(2), Some(4), Some(7), Some(11), Some(16), Some(24), Some(40)];
    let mut lost = 0;
    for (n, moment) in moments.into_iter().enumerate() {
        let (disk, mount) = (rig.folder.path().join(format!("disk{n}")), rig.folder.path().join(format!("mnt{n}")));
        fs::create_dir(&disk).unwrap();
        fs::create_dir(&mount).unwrap();
        let first = json(&run_command(rig.backup(&disk.join("place"))))["id"].as_str().unwrap().to_owned();
        let server = rig.data.serve();
        assert!(granted_by(server.http()));
        server.stop();
        let journal = if n % 2 == 0 { Journal::Strict } else { Journal::Ext4 };
        let power = match PowerCut::mount_with(&disk, &mount, journal) {
            Ok(power) => power,
            Err(why) => return why.report("a_power_cut_leaves_whole_backups"),
        };
        moment.iter().for_each(|changes| power.stop_after_changes(*changes));
        let end = run_command(rig.backup(&mount.join("place")));
        assert!(end.code == Some(0) || moment.is_some(), "{end:#?}");
        // Also one that had ended before its moment came.
        let reported = (end.code == Some(0)).then(|| json(&end)["id"].as_str().unwrap().to_owned());
        lost += usize::from(power.cut(modes[n % 3], n as u64).lost_something());
        drop(power);
        let place = disk.join("place");
        let ids = rig.ids(&place);
        assert!(ids.contains(&first), "{moment:?}: {ids:?}");
        assert!(reported.iter().all(|id| ids.contains(id)), "{moment:?}: {ids:?} lacks {reported:?}");
        let whole = rig.verify(&place);
        assert_eq!(whole["id"].as_str(), ids.last().map(String::as_str), "{moment:?}");
        // And the next one goes through.
        let next = json(&run_command(rig.backup(&place)))["id"].as_str().unwrap().to_owned();
        assert_eq!(rig.verify(&place)["id"].as_str(), Some(&*next));
    }
    assert!(lost > 0, "no cut came in the middle of anything");
}
