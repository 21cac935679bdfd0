//! Mounting, the thread that serves, and an unmount that leaves neither a mount nor a thread behind.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use fuser::{Config, MountOption, Session};
use rustix::mount::{UnmountFlags, unmount};

use super::disk::Disk;
use super::fuse::Adapter;

pub(super) struct Mounted {
    mountpoint: PathBuf,
    server: Option<JoinHandle<io::Result<()>>>,
}

impl Mounted {
    pub(super) fn new(disk: &Arc<Mutex<Disk>>, mountpoint: PathBuf) -> io::Result<Self> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("powercut".into()), MountOption::NoAtime];
        // One thread: every operation takes the one lock, and none waits for a disk.
        config.n_threads = Some(1);
        let session = Session::new(Adapter::new(Arc::clone(disk)), &mountpoint, &config)?;
        let server = thread::Builder::new().name("powercut".into()).spawn(move || session.run())?;
        Ok(Self { mountpoint, server: Some(server) })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let ended = end(&self.mountpoint);
        if let Some(server) = self.server.take()
            && (ended || server.is_finished())
        {
            // Its result only repeats that the mount is gone.
            let _ = server.join();
        }
    }
}

/// Unmounts; true when the serving thread will come to its end.
fn end(mountpoint: &Path) -> bool {
    match unmount(mountpoint, UnmountFlags::empty()) {
        Ok(()) => true,
        // Files are open. FORCE breaks the connection, so that their owners get an error and our thread ends; DETACH
        // takes the mount out of the tree at once, although they still hold it.
        Err(rustix::io::Errno::BUSY) => unmount(mountpoint, UnmountFlags::FORCE | UnmountFlags::DETACH).is_ok(),
        // An ordinary user mounts and unmounts through the set-uid helper. It cannot break the connection: with files
        // still open (-z) the thread ends only when they are closed, so we do not wait for it.
        Err(rustix::io::Errno::PERM) => fusermount(&["-u"], mountpoint) || !fusermount(&["-u", "-z"], mountpoint),
        // Somebody else has unmounted it.
        Err(_) => false,
    }
}

fn fusermount(arguments: &[&str], mountpoint: &Path) -> bool {
    let mut command = Command::new("fusermount3");
    command.args(arguments).arg("--").arg(mountpoint).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
