//! One file for each event of the timestamping authority.

mod stamp;

pub(super) use stamp::stamp;
