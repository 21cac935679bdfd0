//! The exit codes of every command (DESIGN §6). Scripts and courts' tools branch on them, so they never change.

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Exit {
    /// Done; or: verified, and all is true.
    Ok,
    /// Verified, and something is false.
    Falsified,
    /// Could not tell: something needed for the answer is missing.
    Undecided,
    /// The command line or the configuration is wrong (EX_USAGE).
    Usage,
    /// The server cannot be reached (EX_UNAVAILABLE).
    Unreachable,
    /// Our fault (EX_SOFTWARE).
    Fault,
    /// Busy, try again (EX_TEMPFAIL).
    Busy,
}

impl Exit {
    /// All of them, for the table in the help text.
    #[cfg(test)]
    pub(crate) const ALL: [Exit; 7] =
        [Exit::Ok, Exit::Falsified, Exit::Undecided, Exit::Usage, Exit::Unreachable, Exit::Fault, Exit::Busy];

    /// The number; EX_… as in sysexits.h.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Falsified => 1,
            Exit::Undecided => 2,
            Exit::Usage => 64,
            Exit::Unreachable => 69,
            Exit::Fault => 70,
            Exit::Busy => 75,
        }
    }

    /// The exit of a job with several parts: a falsehood outweighs all, then the graver trouble. A part that is fine
    /// never hides one that is not.
    pub(crate) fn and(self, other: Exit) -> Exit {
        if self.weight() >= other.weight() { self } else { other }
    }

    fn weight(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Busy => 1,
            Exit::Undecided => 2,
            Exit::Unreachable => 3,
            Exit::Usage => 4,
            Exit::Fault => 5,
            Exit::Falsified => 6,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 64, 69, 70, 75]);
    }

    #[test]
    fn a_falsehood_outweighs_all_and_nothing_hides_trouble() {
        for one in Exit::ALL {
            assert_eq!(one.and(Exit::Ok), one);
            assert_eq!(Exit::Ok.and(one), one);
            assert_eq!(one.and(Exit::Falsified), Exit::Falsified);
            for other in Exit::ALL {
                assert_eq!(one.and(other), other.and(one));
            }
        }
        assert_eq!(Exit::Busy.and(Exit::Fault), Exit::Fault);
    }
}
