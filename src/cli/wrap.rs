//! Breaking a text into the lines of `--help`.

/// The columns of a terminal that `--help` fits.
pub const COLUMNS: usize = 80;
/// Where an option's description begins.
const INDENT: usize = 10;

/// Lines of at most [`COLUMNS`], each indented.
pub fn wrap(text: &str) -> String {
    let mut lines = String::new();
    let mut column = COLUMNS;
    for word in text.split_whitespace() {
        if column + 1 + word.len() > COLUMNS {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines += &" ".repeat(INDENT);
            column = INDENT;
        } else {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += word.len();
    }
    lines.push('\n');
    lines
}
