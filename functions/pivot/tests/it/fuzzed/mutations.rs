//! A corpus and mutations of it, the same ones at every run. `SLUICE_SEED` chooses others; a failure prints what to set
//! it to.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

const DEFAULT_SEED: u64 = 0x5EED_0F51_0000_0001;

/// The longest input that is made, in bytes: checks look at some inputs a byte at a time.
const MAX_BYTES: usize = 4_096;

/// What is put into an input: the characters and words that one of the decoders gives a meaning to.
const WORDS: &[&[u8]] = &[
    b",",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b"-",
    b"+",
    b".",
    b"0",
    b"9",
    b"e",
    b"E-",
    b"e38",
    b"e200000",
    b"99999999999999999999",
    b"00000000000000000000",
    b"NaN",
    b"inf",
    b"2024-02-29",
    b" - ",
    b" 10:00",
    b":59",
    b"UTC",
    b"+02",
    b"9999-12-31",
    b"T",
    b"Work",
    b"Learning",
    b"Project",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\xFF",
    b"\xC3\xA9",
    b"\x1F\x8B\x08\0",
    b"\x28\xB5\x2F\xFD",
    b"{",
    b"}",
    b"[]",
    b"null",
    b"\\u0000",
    b"%FF",
    b";",
    b"'",
    b"\\",
    b"#",
    b"1.234,5",
    b"(5)",
    b"18:25",
    b"1h 25m",
    b"PT1H",
    b"[{\"n\": 1}]",
    b"\x81",
];

/// Runs `check` on every file of a corpus, then on `rounds` mutations of them.
///
/// # Panics
/// As `check`, after printing the seed and the input.
pub(super) fn over(corpus: &Path, rounds: u32, check: fn(&[u8])) {
    let mut paths: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Mutations refer to the files by their place.
    paths.sort();
    assert!(paths.len() >= 10, "{} files in {}", paths.len(), corpus.display());
    let files: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    for (path, bytes) in paths.iter().zip(&files) {
        checked(check, bytes, &path.display().to_string());
    }
    let seed = match std::env::var("SLUICE_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("SLUICE_SEED={text}: no number")),
        Err(_) => DEFAULT_SEED,
    };
    println!("SLUICE_SEED={seed}, {rounds} rounds over {}", corpus.display());
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let input = mutation(&files, &mut random);
        checked(check, &input, &format!("SLUICE_SEED={seed}, round {round}"));
    }
}

fn checked(check: fn(&[u8]), input: &[u8], origin: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        println!("{origin}: b\"{}\"", input.escape_ascii());
        resume_unwind(panic);
    }
}

/// A file of the corpus after one to eight changes.
fn mutation(files: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = files[random.below(files.len())].clone();
    for _ in 0..=random.below(8) {
        let from = random.below(bytes.len() + 1);
        let to = from + random.below((bytes.len() - from).min(32) + 1);
        match random.below(7) {
            0 if from < bytes.len() => bytes[from] ^= 1 << random.below(8),
            1 if from < bytes.len() => bytes[from] = random.byte(),
            2 => drop(bytes.drain(from..to)),
            3 => {
                let again = bytes[from..to].to_vec();
                drop(bytes.splice(to..to, again));
            }
            4 => {
                let other = &files[random.below(files.len())];
                let (start, end) = (random.below(other.len() + 1), random.below(other.len() + 1));
                drop(bytes.splice(from..to, other[start.min(end)..start.max(end)].iter().copied()));
            }
            _ => drop(bytes.splice(from..to, WORDS[random.below(WORDS.len())].iter().copied())),
        }
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | (1 << 63))
    }

    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn byte(&mut self) -> u8 {
        self.draw().to_be_bytes()[0]
    }

    /// A number below `end`, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap();
        // The upper half: the lower bits of this generator are its weak ones.
        usize::try_from((self.draw() >> 32) % end).unwrap()
    }
}
