//! Tests of the schedules contract.
