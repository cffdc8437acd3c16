//! The table that a bench prints: target, median, range, and what it cost.

/// What a row is to reach.
#[derive(Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Told, not judged.
    None,
}

/// A row: what was measured in each run.
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub target: Target,
    pub runs: Vec<f64>,
    /// What else there is to say: processor time, memory, threads.
    pub notes: String,
}

impl Figure {
    pub fn new(name: &str, unit: &'static str, target: Target, runs: Vec<f64>) -> Figure {
        Figure {
            name: name.to_owned(),
            unit,
            target,
            runs,
            notes: String::new(),
        }
    }

    pub fn note(mut self, note: &str) -> Figure {
        if !self.notes.is_empty() {
            self.notes.push_str(", ");
        }
        self.notes.push_str(note);
        self
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        super::tally::percentile(&sorted, 0.5)
    }

    fn met(&self) -> &'static str {
        let met = match self.target {
            Target::AtLeast(target) => self.median() >= target,
            Target::AtMost(target) => self.median() <= target,
            Target::None => return "",
        };
        if met { "yes" } else { "NO" }
    }
}

/// Rows as they come; each is printed at once.
#[derive(Default)]
pub struct Table {
    figures: Vec<Figure>,
}

impl Table {
    pub fn begin(title: &str) -> Table {
        println!("\n{title}\n");
        println!("| what | target | median | range | met | notes |");
        println!("| --- | ---: | ---: | ---: | --- | --- |");
        Table::default()
    }

    pub fn add(&mut self, figure: Figure) -> f64 {
        let target = match figure.target {
            Target::AtLeast(target) => format!("≥ {}", number(target)),
            Target::AtMost(target) => format!("≤ {}", number(target)),
            Target::None => String::new(),
        };
        let least = figure.runs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figure.runs.iter().copied().fold(0.0, f64::max);
        let median = figure.median();
        println!(
            "| {} ({}) | {target} | {} | {}–{} | {} | {} |",
            figure.name,
            figure.unit,
            number(median),
            number(least),
            number(most),
            figure.met(),
            figure.notes
        );
        self.figures.push(figure);
        median
    }

    /// How many rows missed their target.
    pub fn missed(&self) -> usize {
        let missed = |figure: &&Figure| figure.met() == "NO";
        self.figures.iter().filter(missed).count()
    }
}

/// Three digits that matter, thousands parted.
pub fn number(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{:.0}", value);
            let mut parted = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    parted.push(',');
                }
                parted.push(digit);
            }
            parted
        }
    }
}
