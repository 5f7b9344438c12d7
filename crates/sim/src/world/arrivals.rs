//! How messages between agents arrive: once and in order, or in bad weather late, overtaken
//! by others, and twice. The simulated network itself keeps the order of each link.

use crate::{derive, scenario::Weather};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Draws how one message arrives.
#[derive(Debug)]
pub(crate) struct Arrivals {
    seed: u64,
    label: String,
    weather: Arc<Mutex<Weather>>,
    count: u64,
}

/// How a message arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// So much after it came.
    pub(crate) late: Option<Duration>,
    /// And once more, so much after it came.
    pub(crate) again: Option<Duration>,
}

impl Arrivals {
    pub(super) fn new(seed: u64, (node, life): (usize, u64), weather: Arc<Mutex<Weather>>) -> Self {
        Self { seed, label: format!("arrivals {node} {life}"), weather, count: 0 }
    }

    /// The next message's arrival.
    pub(crate) fn draw(&mut self) -> Arrival {
        let weather = *self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        let fine = weather.late_per_mille == 0 && weather.twice_per_mille == 0;
        if fine || weather.late.is_zero() {
            return Arrival { late: None, again: None };
        }
        self.count += 1;
        let draw = |what: u64, bound: u64| {
            derive::below(self.seed, &self.label, self.count * 4 + what, bound)
        };
        let longest_us = u64::try_from(weather.late.as_micros()).unwrap_or(u64::MAX);
        let span = |what| Duration::from_micros(draw(what, longest_us));
        let late = draw(0, 1_000) < u64::from(weather.late_per_mille);
        let twice = draw(1, 1_000) < u64::from(weather.twice_per_mille);
        Arrival { late: late.then(|| span(2)), again: twice.then(|| span(3)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_late_and_doubled_as_often_as_the_weather_says() {
        let weather = Weather {
            twice_per_mille: 100,
            late_per_mille: 300,
            late: Duration::from_millis(20),
            ..Weather::default()
        };
        let mut arrivals = Arrivals::new(1, (0, 1), Arc::new(Mutex::new(weather)));
        let drawn: Vec<Arrival> = (0..2_000).map(|_| arrivals.draw()).collect();
        let late = drawn.iter().filter(|a| a.late.is_some()).count();
        let twice = drawn.iter().filter(|a| a.again.is_some()).count();
        assert!((500..700).contains(&late) && (140..260).contains(&twice), "{late}, {twice}");
        let mut fine = Arrivals::new(1, (0, 1), Arc::default());
        assert_eq!(fine.draw(), Arrival { late: None, again: None });
    }
}
