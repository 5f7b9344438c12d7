//! Tests of the schedules contract, rule by rule, then over random lives of requests.

mod conflicts;
mod designation;
mod evidence;
mod faults;
mod fixture;
mod life;
mod policies;
mod properties;
mod request;
mod rules;
mod waiting;
