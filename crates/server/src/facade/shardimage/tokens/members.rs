//! Members of requests that PHP spells in its own ways, and those that may be masked.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use countermark_core::{SigningSecret, TokenKind};
use countermark_domain::NewPassword;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::record::MASK;
use crate::json::{List, Members};
use crate::native::tokens::member::{Member, Password};

/// An object, which PHP writes as an empty list if it has no members.
#[derive(Debug, Default)]
pub struct PhpObject<T>(pub T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for PhpObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PhpObjectVisitor(PhantomData)).map(Self)
    }
}

struct PhpObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for PhpObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<T, A::Error> {
        match elements.next_element::<de::IgnoredAny>()? {
            None => Ok(T::default()),
            Some(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
        }
    }
}

/// `imageUrl` or `upload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub TokenKind);

impl Member for Kind {
    const EXPECTED: &'static str = "imageUrl or upload";

    fn parse(text: &str) -> Option<Self> {
        TokenKind::from_name(text).filter(|kind| *kind != TokenKind::ApiKey).map(Self)
    }
}

/// A signing secret, or the mask that stands for the one that is stored.
#[derive(Debug)]
pub enum Secret {
    /// As it is stored.
    Masked,
    /// This one.
    Given(SigningSecret),
}

impl Member for Secret {
    const EXPECTED: &'static str = "a secret of 8 to 256 bytes without NUL";

    fn parse(text: &str) -> Option<Self> {
        if text == MASK {
            return Some(Self::Masked);
        }
        SigningSecret::short_foreign(text.to_owned()).ok().map(Self::Given)
    }
}

/// A user's password, or the mask that stands for the one that is stored.
#[derive(Debug)]
pub enum UserPassword {
    /// As it is stored.
    Masked,
    /// This one.
    Given(NewPassword),
}

impl<'de> Deserialize<'de> for UserPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UserPasswordVisitor)
    }
}

struct UserPasswordVisitor;

impl<'de> Visitor<'de> for UserPasswordVisitor {
    type Value = UserPassword;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password of 1 to 1024 bytes, or [\"msha1\", 40 hexadecimal digits]")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<UserPassword, E> {
        if text == MASK {
            return Ok(UserPassword::Masked);
        }
        Password::deserialize(text.into_deserializer()).map(|it| UserPassword::Given(it.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<UserPassword, A::Error> {
        Password::deserialize(SeqAccessDeserializer::new(parts)).map(|it| UserPassword::Given(it.0))
    }
}

/// Users of HTTP Basic with their passwords. PHP writes a list if their names are 0, 1, 2 and so on.
#[derive(Debug, Default)]
pub struct Users(pub BTreeMap<String, UserPassword>);

/// A colon ends the name in HTTP Basic.
type Named = Members<UserPassword, 100, 128, ':'>;

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UsersVisitor)
    }
}

struct UsersVisitor;

impl<'de> Visitor<'de> for UsersVisitor {
    type Value = Users;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of at most 100 members")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Users, A::Error> {
        Named::deserialize(MapAccessDeserializer::new(map)).map(|named| Users(named.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, passwords: A) -> Result<Users, A::Error> {
        let list = List::<UserPassword, 100>::deserialize(SeqAccessDeserializer::new(passwords))?;
        let numbered = list.0.into_iter().enumerate();
        Ok(Users(numbered.map(|(index, password)| (index.to_string(), password)).collect()))
    }
}
