//! That a bundle holds no secret: a search for the node's key in every form that a program is
//! likely to write it in, over each part before it goes in.
//!
//! It is the second line: the first is that no part is made of what may hold a secret.

use trustmesh_types::SecretKey;
use zeroize::Zeroizing;

/// What is looked for.
pub struct Secrets {
    forms: Vec<Zeroizing<Vec<u8>>>,
}

impl Secrets {
    /// The forms of a node's key: raw, hexadecimal, base64 wherever it begins, and as a list
    /// of numbers.
    pub fn of(key: &SecretKey) -> Self {
        let seed = key.seed();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<String> = seed.iter().map(u8::to_string).collect();
        let mut forms = vec![
            seed.to_vec(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
            numbers.join(",").into_bytes(),
            numbers.join(", ").into_bytes(),
        ];
        for alphabet in [b"+/", b"-_"] {
            forms.extend((0..3).map(|before| base64_inside(seed, before, alphabet)));
        }
        Self { forms: forms.into_iter().map(Zeroizing::new).collect() }
    }

    /// Whether any of them stands in `bytes`.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| bytes.windows(form.len()).any(|part| part == form.as_slice()))
    }
}

/// The digits of base64 that depend on `bytes` alone, when so many others come before them.
fn base64_inside(bytes: &[u8], before: usize, last_two: &[u8; 2]) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
    let bits = padded.len() * 8;
    let bit = |at: usize| padded.get(at / 8).is_some_and(|byte| (byte >> (7 - at % 8)) & 1 == 1);
    let digit = |place: usize| {
        let value = (0..6).fold(0u8, |value, n| (value << 1) | u8::from(bit(place * 6 + n)));
        let [plus, slash] = *last_two;
        match value {
            0..26 => b'A' + value,
            26..52 => b'a' + value - 26,
            52..62 => b'0' + value - 52,
            62 => plus,
            _ => slash,
        }
    };
    // Digits that share bits with a neighbour's byte say nothing for certain.
    let first = (before * 8).div_ceil(6);
    (first..bits / 6).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_form() {
        let key = SecretKey::from_seed(std::array::from_fn(|n| {
            u8::try_from((n * 37 + 200) % 256).unwrap()
        }));
        let secrets = Secrets::of(&key);
        let seed = key.seed().as_slice();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [hex.clone(), format!("seed={}!", hex.to_uppercase()), format!("{seed:?}")] {
            assert!(secrets.are_in(text.as_bytes()), "{text}");
        }
        assert!(secrets.are_in(&[b"..", seed, b".."].concat()));
        // What other programs write for the key after none, one and two bytes of `x`.
        for text in [
            "yO0SN1yBpsvwFTpfhKnO8xg9Yoes0fYbQGWKr9T5HkN5eQ==",
            "eMjtEjdcgabL8BU6X4SpzvMYPWKHrNH2G0Bliq/U+R5DeXk=",
            "eHjI7RI3XIGmy/AVOl+Eqc7zGD1ih6zR9htAZYqv1PkeQ3l5",
            "eHjI7RI3XIGmy_AVOl-Eqc7zGD1ih6zR9htAZYqv1PkeQw==",
        ] {
            assert!(secrets.are_in(text.as_bytes()), "{text}");
        }
        let public = key.public();
        assert!(!secrets.are_in(format!("{public} {:?}", public.0).as_bytes()));
    }
}
