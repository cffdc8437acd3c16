//! Three curves over time as a picture that any browser shows.
//!
//! Owns the SVG. Knows nothing about what the numbers mean.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 110.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 26.0;
const GAP: f64 = 34.0;

/// One curve: values at even distances in time.
pub struct Curve<'a> {
    pub title: &'a str,
    pub values: Vec<f64>,
}

/// The curves below each other over a common axis of `minutes`. Each has an axis that begins at 0.
pub fn svg(curves: &[Curve<'_>], minutes: f64) -> String {
    let height = TOP + curves.len() as f64 * (HEIGHT + GAP) + 8.0;
    let width = LEFT + WIDTH + 24.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fffdf9\"/>\n"
    );
    for (at, curve) in curves.iter().enumerate() {
        let top = TOP + at as f64 * (HEIGHT + GAP);
        draw(&mut svg, curve, top, minutes);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, curve: &Curve<'_>, top: f64, minutes: f64) {
    let most = nice(curve.values.iter().copied().fold(0.0, f64::max));
    let y = |value: f64| top + HEIGHT - HEIGHT * value / most;
    let bottom = top + HEIGHT;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\" fill=\"#3b2a20\">{}</text>",
        top - 8.0,
        curve.title
    );
    for share in [0.0, 0.5, 1.0] {
        let value = most * share;
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {0:.1}H{1:.1}\" stroke=\"#e4dccf\"/>\
             <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\" fill=\"#7a6a5c\">{value}</text>",
            y(value),
            LEFT + WIDTH,
            LEFT - 8.0,
            y(value) + 4.0
        );
    }
    let step = (minutes / 6.0).ceil().max(1.0);
    let mut minute = 0.0;
    while minute <= minutes {
        let x = LEFT + WIDTH * minute / minutes;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#7a6a5c\">{minute} min</text>",
            bottom + 15.0
        );
        minute += step;
    }
    let last = (curve.values.len().max(2) - 1) as f64;
    let points: Vec<String> = curve
        .values
        .iter()
        .enumerate()
        .map(|(at, value)| format!("{:.1},{:.1}", LEFT + WIDTH * at as f64 / last, y(*value)))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#b5532b\" stroke-width=\"1.5\"/>",
        points.join(" ")
    );
}

/// The next number of the form 1, 2 or 5 times a power of ten.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1.0).log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= value);
    factor.unwrap_or(10.0) * power
}
