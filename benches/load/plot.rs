//! Curves as SVG: both axes logarithmic, one panel a figure.
//!
//! Owns the drawing and nothing else. The colours are legible on a light page and on a dark one.

use std::fmt::Write;

/// A panel: what grows with what.
pub struct Panel {
    pub title: String,
    pub across: &'static str,
    pub curves: Vec<Curve>,
}

/// A curve; its points from left to right.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A panel's size, and the room around its axes.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
/// The title's line, and each curve's name below it.
const TITLE: f64 = 30.0;
const NAME: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Panels beside each other.
const COLUMNS: usize = 2;
const COLOURS: [&str; 4] = ["#c0552d", "#4477aa", "#228833", "#aa7722"];
const GREY: &str = "#888888";

/// All panels in one picture.
pub fn draw(panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"{GREY}\">\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = (
            (index % COLUMNS) as f64 * WIDTH,
            (index / COLUMNS) as f64 * HEIGHT,
        );
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        draw_panel(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// One axis: whole powers of ten around all values.
struct Axis {
    from: i32,
    to: i32,
    start: f64,
    end: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64> + Clone, start: f64, end: f64) -> Axis {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(0.0, f64::max);
        let from = least.log10().floor() as i32;
        Axis {
            from,
            to: (most.log10().ceil() as i32).max(from + 1),
            start,
            end,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        self.start + share * (self.end - self.start)
    }

    fn marks(&self) -> impl Iterator<Item = (f64, String)> {
        (self.from..=self.to).map(|power| {
            let value = 10f64.powi(power);
            (self.place(value), label(value))
        })
    }
}

fn label(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}

fn draw_panel(svg: &mut String, panel: &Panel) {
    let points = || panel.curves.iter().flat_map(|curve| curve.points.iter());
    let top = TITLE + NAME * panel.curves.len() as f64;
    let across = Axis::around(points().map(|&(x, _)| x), LEFT, WIDTH - RIGHT);
    let up = Axis::around(points().map(|&(_, y)| y), HEIGHT - BOTTOM, top);
    let (title, name) = (&panel.title, panel.across);
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"18\" font-size=\"13\" font-weight=\"bold\">{title}</text>"
    );
    for (x, label) in across.marks() {
        line(svg, (x, top), (x, HEIGHT - BOTTOM));
        let y = HEIGHT - BOTTOM + 15.0;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>"
        );
    }
    for (y, label) in up.marks() {
        line(svg, (LEFT, y), (WIDTH - RIGHT, y));
        let (x, y) = (LEFT - 6.0, y + 4.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>"
        );
    }
    let (x, y) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0);
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>"
    );
    for (number, (curve, colour)) in panel.curves.iter().zip(COLOURS).enumerate() {
        draw_curve(svg, curve, colour, &across, &up);
        let (x, y) = (LEFT, TITLE + 3.0 + NAME * number as f64);
        let name = &curve.name;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{name}</text>"
        );
    }
}

fn draw_curve(svg: &mut String, curve: &Curve, colour: &str, across: &Axis, up: &Axis) {
    let places: Vec<(f64, f64)> = curve
        .points
        .iter()
        .map(|&(x, y)| (across.place(x), up.place(y)))
        .collect();
    let path: Vec<String> = places
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join(" ")
    );
    for (x, y) in places {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
        );
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/>",
        from.0, from.1, to.0, to.1
    );
}
