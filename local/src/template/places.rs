//! Where each value of a JSON text stands: what a parser does not tell.

use std::iter::Peekable;
use std::str::CharIndices;

/// Where a value stands, or its name where it has one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The value, as a JSON Pointer (RFC 6901).
    pub(super) pointer: String,
    /// The line, from 0.
    pub(super) line: usize,
}

/// The places of all values, in their order. A name that comes twice has two. Of a text that is no JSON, as far as it
/// is one.
pub(super) fn places(text: &str) -> Vec<Place> {
    let mut scanner = Scanner { text, rest: text.char_indices().peekable(), line: 0, found: Vec::new() };
    scanner.skip_blanks();
    scanner.value(String::new(), scanner.line);
    scanner.found
}

struct Scanner<'t> {
    text: &'t str,
    rest: Peekable<CharIndices<'t>>,
    line: usize,
    found: Vec<Place>,
}

impl Scanner<'_> {
    /// Reads on behind a value; `None` where the text ends too soon.
    fn value(&mut self, pointer: String, line: usize) -> Option<()> {
        self.found.push(Place { pointer: pointer.clone(), line });
        match self.rest.peek()?.1 {
            '{' => self.items('}', |scanner, _| {
                let line = scanner.line;
                let name = scanner.text()?.replace('~', "~0").replace('/', "~1");
                scanner.skip_blanks();
                scanner.rest.next_if(|(_, character)| *character == ':')?;
                scanner.skip_blanks();
                scanner.value(format!("{pointer}/{name}"), line)
            }),
            '[' => self.items(']', |scanner, place| {
                let line = scanner.line;
                scanner.value(format!("{pointer}/{place}"), line)
            }),
            '"' => self.text().map(drop),
            _ => {
                while self.rest.next_if(|(_, character)| !",]} \t\r\n".contains(*character)).is_some() {}
                Some(())
            }
        }
    }

    /// The items of an object or array, up to its end.
    fn items(&mut self, end: char, mut item: impl FnMut(&mut Self, usize) -> Option<()>) -> Option<()> {
        self.rest.next();
        for place in 0.. {
            self.skip_blanks();
            if self.rest.next_if(|(_, character)| *character == end).is_some() {
                return Some(());
            }
            item(self, place)?;
            self.skip_blanks();
            self.rest.next_if(|(_, character)| *character == ',');
        }
        None
    }

    /// A text, without its quotes and escapes.
    fn text(&mut self) -> Option<String> {
        let (start, _) = self.rest.next_if(|(_, character)| *character == '"')?;
        loop {
            match self.rest.next()? {
                (_, '\\') => drop(self.rest.next()),
                (end, '"') => return serde_json::from_str(&self.text[start..=end]).ok(),
                _ => {}
            }
        }
    }

    fn skip_blanks(&mut self) {
        while let Some((_, character)) = self.rest.next_if(|(_, character)| character.is_ascii_whitespace()) {
            self.line += usize::from(character == '\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_the_line_of_its_name() {
        let text = "{\"a\": 1,\n \"b\": {\"c/d\": [true,\n  {\"e~\": \"}\\\"\"}],\n\n \"f\":\n null}, \"a\": -1e3}\n";
        let found: Vec<(String, usize)> = places(text).into_iter().map(|place| (place.pointer, place.line)).collect();
        let expected = [
            ("", 0),
            ("/a", 0),
            ("/b", 1),
            ("/b/c~1d", 1),
            ("/b/c~1d/0", 1),
            ("/b/c~1d/1", 2),
            ("/b/c~1d/1/e~0", 2),
            ("/b/f", 4),
            ("/a", 5),
        ];
        let expected: Vec<(String, usize)> =
            expected.into_iter().map(|(pointer, line)| (pointer.to_owned(), line)).collect();
        assert_eq!(found, expected);
        assert_eq!(places("{\"a\": \"b"), [("", 0), ("/a", 0)].map(|(at, line)| Place { pointer: at.into(), line }));
        assert_eq!(places("{{").len(), 1);
        assert_eq!(places("").len(), 1);
    }
}
