//! Raw signing, as `openssl speed` measures it: the limit of whatever is signed.

use std::process::Command;

use super::sample::Rounds;
use super::{Failed, Figure, Goal};
use crate::progress::Progress;

/// Processes that sign at once.
pub(crate) const PROCESSES: u32 = 2;

/// For how long, each time.
const SECONDS: u32 = 3;

/// P-256 signatures a second as the limit of one round. Without an `openssl` it is NaN, and [`figure`] shows neither limit nor verdict.
///
/// # Errors
/// What `openssl` prints does not read.
pub(crate) fn limit(progress: &Progress) -> Result<f64, Failed> {
    let rates = p256_per_second()?;
    progress.add(1);
    Ok(rates.map_or(f64::NAN, |rates| rates.signatures))
}

/// A rate beside that limit.
pub(crate) fn figure(area: &'static str, name: impl Into<String>, rounds: &Rounds, goal: Goal) -> Figure {
    beside(area, name, rounds, goal, &format!("openssl speed -multi {PROCESSES} ecdsap256, signs/s"))
}

fn beside(area: &'static str, name: impl Into<String>, rounds: &Rounds, goal: Goal, limit_is: &str) -> Figure {
    if rounds.limit.median.is_nan() {
        Figure::alone(area, name, "/s", rounds.value, goal).against(format!("{limit_is} (there is no openssl here)"))
    } else {
        Figure::beside(area, name, "/s", rounds, goal).against(limit_is)
    }
}

/// P-256 verifications a second as the limit of one round; NaN without an `openssl`.
///
/// # Errors
/// What `openssl` prints does not read.
pub(crate) fn verifications(progress: &Progress) -> Result<f64, Failed> {
    let rates = p256_per_second()?;
    progress.add(1);
    Ok(rates.map_or(f64::NAN, |rates| rates.verifications))
}

/// A rate beside a third of that limit: of acts that verify three signatures each.
pub(crate) fn verified_figure(area: &'static str, name: impl Into<String>, rounds: &Rounds, goal: Goal) -> Figure {
    beside(
        area,
        name,
        rounds,
        goal,
        &format!("openssl speed -multi {PROCESSES} ecdsap256, verifications/s, divided by 3"),
    )
}

/// What `openssl` does in a second, of [`PROCESSES`] processes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    signatures: f64,
    verifications: f64,
}

/// With P-256; `None` where there is no `openssl`.
fn p256_per_second() -> Result<Option<Rates>, Failed> {
    let (multi, seconds) = (PROCESSES.to_string(), SECONDS.to_string());
    let output = Command::new("openssl").args(["speed", "-multi", &multi, "-seconds", &seconds, "ecdsap256"]).output();
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            parse(&text).map(Some).ok_or_else(|| Failed("openssl speed printed no rate for nistp256".to_owned()))
        }
    }
}

/// The line ` 256 bits ecdsa (nistp256)  0.0000s  0.0001s  40000.0  15000.0`: seconds a sign and a verify, then rates.
fn parse(text: &str) -> Option<Rates> {
    let line = text.lines().find(|line| line.contains("ecdsa (nistp256)") && !line.starts_with('+'))?;
    let mut words = line.split_whitespace().rev().map(|word| word.parse().ok().filter(|rate: &f64| *rate > 0.0));
    let (verifications, signatures) = (words.next()??, words.next()??);
    Some(Rates { signatures, verifications })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_prints() {
        let text = "version: 3.5.1\n                              sign    verify    sign/s verify/s\n \
                    256 bits ecdsa (nistp256)   0.0000s   0.0002s  43012.6   4427.2\n";
        assert_eq!(parse(text), Some(Rates { signatures: 43012.6, verifications: 4427.2 }));
        assert_eq!(parse("version: 3.5.1\n"), None);
    }
}
