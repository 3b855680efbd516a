//! What the command line says, word by word: `transcripts/*.txt`.

use crate::support::transcript;

/// One test for each transcript, so that they run side by side.
macro_rules! transcripts {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                transcript::play(stringify!($name));
            }
        )*
        const PLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

transcripts! {
    completion,
    help,
    init,
    inspect,
    invoke,
    manifest,
    settings,
    usage,
    version,
}

#[test]
fn every_transcript_is_played() {
    assert_eq!(transcript::names(), PLAYED);
}
