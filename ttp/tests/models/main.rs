//! Models of the exchanges' protocols, explored completely (stateright); `make models` prints how many states there are.

#![allow(clippy::print_stdout, reason = "how much was explored is what whoever runs this wants to know: make models")]

mod asw_r;
mod cd_r;
mod inline;
mod run;
mod swap;
