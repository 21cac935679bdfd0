//! The machine on which figures were taken: processor, cores, and what one flush costs on the disk that is measured.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::Failed;
use super::sample::quantile;

/// Flushes of one measurement.
const FLUSHES: usize = 300;

/// What stands above every table.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
}

impl Machine {
    /// Asks the system.
    pub(crate) fn read() -> Machine {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Machine { cpu: model(&info).to_owned(), cores: cores() }
    }

    /// One line, with the flush cost in µs before and after the run.
    pub(crate) fn describe(&self, place: &Path, flush_micros: &[f64]) -> String {
        let costs: Vec<String> = flush_micros.iter().map(|micros| format!("{micros:.0}")).collect();
        format!(
            "{}, {} cores; stores in {}; one flush (append of 128 bytes, fdatasync, median of {FLUSHES}): {} µs",
            self.cpu,
            self.cores,
            place.display(),
            costs.join(", ")
        )
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn model(cpuinfo: &str) -> &str {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']).trim())
}

/// Median cost of an appended, flushed line in `folder`, µs.
///
/// # Errors
/// The disk.
pub(crate) fn flush_micros(folder: &Path) -> Result<f64, Failed> {
    let path = folder.join("flush");
    let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
    let mut nanos = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let start = Instant::now();
        file.write_all(&[7; 128])?;
        file.sync_data()?;
        nanos.push(start.elapsed().as_nanos() as u64);
    }
    fs::remove_file(&path)?;
    Ok(quantile(&mut nanos, 0.5) as f64 / 1000.0)
}

/// Memory of process `pid` in RAM now, and at most so far, MB (10^6 bytes).
///
/// # Errors
/// No such process, or no /proc.
pub(crate) fn resident_megabytes(pid: u32) -> Result<(f64, f64), Failed> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    match (kibibytes(&status, "VmRSS:"), kibibytes(&status, "VmHWM:")) {
        (Some(now), Some(most)) => Ok((now * 1024.0 / 1e6, most * 1024.0 / 1e6)),
        _ => Err(Failed(format!("/proc/{pid}/status does not tell the resident memory"))),
    }
}

/// What /proc tells times in (USER_HZ, the same on every machine that this runs on).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of process `pid` so far, with that of its threads that have ended, seconds.
///
/// # Errors
/// No such process, or no /proc.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, Failed> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = cpu_ticks(&stat).ok_or_else(|| Failed(format!("/proc/{pid}/stat does not tell the processor time")))?;
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// Fields 14 and 15, utime and stime; the second is a name in parentheses, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(model("processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags\t: fpu\n"), "AMD EPYC 7B13");
        assert_eq!(model(""), "unknown processor");
        let status = "Name:\tsemper\nVmHWM:\t  300000 kB\nVmRSS:\t  200000 kB\n";
        assert_eq!((kibibytes(status, "VmRSS:"), kibibytes(status, "VmHWM:")), (Some(200_000.0), Some(300_000.0)));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
        assert_eq!(cpu_ticks("7 (a ) b) S 1 7 7 0 -1 4194560 2053 0 5 0 13 29 0 0 20 0 1 0 9"), Some(42));
        assert_eq!(cpu_ticks("7 (semper) S 1"), None);
    }

    #[test]
    fn this_process_has_memory_and_this_disk_flushes() {
        let (now, most) = resident_megabytes(std::process::id()).ok().unwrap();
        assert!(now > 0.5 && most >= now);
        assert!(cpu_seconds(std::process::id()).is_ok());
        let dir = tempfile::tempdir().unwrap();
        assert!(flush_micros(dir.path()).ok().unwrap() > 0.0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
