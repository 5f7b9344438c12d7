//! The figures by size as a picture: two panels, an SVG of its own without anything to load.
//! Only meshes without workers that don't vote are on the lines.

use std::fmt::Write as _;
use trustmesh_sim::{Flow, ScalePoint};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 340.0;
/// Of a panel, in the picture's units.
const PANEL: (f64, f64) = (320.0, 230.0);
const TOP: f64 = 50.0;
const LEFTS: [f64; 2] = [70.0, 490.0];
const COLOURS: [&str; 6] = ["#0b6e99", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#475569"];

/// A line: its name and its points, (validators, value).
type Line = (String, Vec<(f64, f64)>);

/// Draws them.
pub(super) fn svg(points: &[&ScalePoint]) -> String {
    let points: Vec<&ScalePoint> =
        points.iter().copied().filter(|point| point.size.workers == 0).collect();
    let size = |point: &&ScalePoint| f64::from(point.size.validators);
    let overhead = points.iter().filter_map(|it| Some((size(it), it.overhead_ms?.p50)));
    let mut lines: Vec<Line> = Vec::new();
    for (what, of) in [("messages", 0), ("bytes", 1)] {
        for (per, flows) in [("request", 0), ("block", 1)] {
            let value = |point: &&ScalePoint| {
                let flows: &[Flow] = if flows == 0 { &point.per_request } else { &point.per_block };
                let (messages, bytes) = ScalePoint::sum(flows);
                (size(point), if of == 0 { messages } else { bytes })
            };
            lines.push((format!("{what} per {per}"), points.iter().map(value).collect()));
        }
    }
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#1f2937\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    let whole = [("overhead p50".to_owned(), overhead.collect())];
    panel(&mut picture, 0, "overhead, ms", &whole, false);
    panel(&mut picture, 1, "sent by all nodes together", &lines, true);
    picture.push_str("</svg>\n");
    picture
}

/// A scale from values to the panel, 0 to 1.
struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>, logarithmic: bool) -> Self {
        let (mut low, mut high) = values.fold((f64::MAX, 1.0), |(low, high), value| {
            (f64::min(low, value), f64::max(high, value))
        });
        if logarithmic {
            low = 10f64.powf(low.clamp(1.0, high).log10().floor());
            high = 10f64.powf(high.log10().ceil());
        } else {
            (low, high) = (0.0, (high * 1.15 / 20.0).ceil() * 20.0);
        }
        Self { low, high, logarithmic }
    }

    fn at(&self, value: f64) -> f64 {
        let of = |it: f64| if self.logarithmic { it.max(self.low).log10() } else { it };
        let span = of(self.high) - of(self.low);
        if span > 0.0 { (of(value) - of(self.low)) / span } else { 0.5 }
    }

    fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            return (0..=4).map(|nth| self.high * f64::from(nth) / 4.0).collect();
        }
        let decades = std::iter::successors(Some(self.low), |tick| Some(tick * 10.0));
        decades.take_while(|tick| *tick <= self.high * 1.01).collect()
    }
}

fn panel(picture: &mut String, nth: usize, title: &str, lines: &[Line], logarithmic: bool) {
    let left = LEFTS.get(nth).copied().unwrap_or_default();
    let all = || lines.iter().flat_map(|(_, points)| points);
    let values = Axis::of(all().map(|(_, value)| *value), logarithmic);
    let (first, last) = all().fold((f64::MAX, 1.0), |(low, high), (size, _)| {
        (f64::min(low, *size), f64::max(high, *size))
    });
    let sizes = Axis { low: first.min(last), high: last, logarithmic: true };
    let x = |size: f64| left + PANEL.0 * sizes.at(size);
    let y = |value: f64| TOP + PANEL.1 * (1.0 - values.at(value));
    // Writing to a string can't fail.
    let mut put = |text: std::fmt::Arguments<'_>| {
        let _ = picture.write_fmt(text);
    };
    put(format_args!("<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>\n", 30));
    for tick in values.ticks() {
        let (at, right) = (y(tick), left + PANEL.0);
        put(format_args!(
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#e5e7eb\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            left - 6.0,
            at + 4.0,
            super::short(tick)
        ));
    }
    let (bottom, middle) = (TOP + PANEL.1, left + PANEL.0 / 2.0);
    put(format_args!(
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">validators</text>\n",
        bottom + 40.0
    ));
    let mut marked: Vec<f64> = all().map(|(size, _)| *size).collect();
    marked.sort_by(f64::total_cmp);
    marked.dedup();
    for size in marked {
        put(format_args!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{size}</text>\n",
            x(size),
            bottom + 20.0
        ));
    }
    for (line, ((name, points), colour)) in lines.iter().zip(COLOURS).enumerate() {
        let path: Vec<String> = points
            .iter()
            .map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value)))
            .collect();
        put(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
            path.join(" ")
        ));
        for (size, value) in points {
            let (x, y) = (x(*size), y(*value));
            put(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n"));
        }
        put(format_args!(
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>\n",
            left + 10.0,
            TOP + 14.0 + 15.0 * line as f64
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::point, *};

    #[test]
    fn lines_hold_the_meshes_without_workers_and_larger_values_stand_higher() {
        let (four, many, large) = (point(4, 0, 120.0), point(16, 900, 500.0), point(64, 0, 60.0));
        let picture = svg(&[&four, &many, &large]);
        assert_eq!(picture.matches("<polyline").count(), 5);
        assert_eq!(picture.matches("<circle").count(), 10, "two sizes on each line");
        let axis = Axis::of([60.0, 120.0].into_iter(), false);
        assert!(axis.at(120.0) > axis.at(60.0) && axis.at(120.0) < 1.0);
        let axis = Axis::of([24.0, 99_960.0].into_iter(), true);
        assert_eq!((axis.low, axis.high), (10.0, 100_000.0));
        assert_eq!(axis.ticks().len(), 5);
    }

    #[test]
    fn a_picture_of_nothing_is_still_a_picture() {
        let picture = svg(&[]);
        assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN"), "{picture}");
    }
}
