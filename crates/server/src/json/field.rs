//! Types of members: whole numbers, texts, lists and maps with their bounds, each with the schema that says so.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A whole number from `MIN` to `MAX`; a fraction or an exponent is refused even if it comes out whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whole<const MIN: u64, const MAX: u64>(u64);

/// Unix seconds up to the end of the year 9999; milliseconds do not fit.
pub type UnixTime = Whole<0, 253_402_300_799>;

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor::<MIN, MAX>).map(Self)
    }
}

struct WholeVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for WholeVisitor<MIN, MAX> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        if (MIN..=MAX).contains(&number) {
            return Ok(number);
        }
        Err(E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// A string of `MIN` to `MAX` characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The string.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(TextVisitor::<MIN, MAX>).map(Self)
    }
}

struct TextVisitor<const MIN: usize, const MAX: usize>;

impl<const MIN: usize, const MAX: usize> TextVisitor<MIN, MAX> {
    fn fits(text: &str) -> bool {
        // The first comparison spares counting the characters of a text that is far too long.
        text.len() <= MAX.saturating_mul(4)
            && (MIN..=MAX).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
    }
}

impl<const MIN: usize, const MAX: usize> Visitor<'_> for TextVisitor<MIN, MAX> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string of {MIN} to {MAX} characters without control characters")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if Self::fits(text) {
            Ok(text.to_owned())
        } else {
            Err(E::invalid_value(Unexpected::Other(""), &self))
        }
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<String, E> {
        if Self::fits(&text) { Ok(text) } else { Err(E::invalid_value(Unexpected::Other(""), &self)) }
    }
}

/// An array of at most `MAX` elements; reading stops at the first one too many. Its schema is given at the field:
/// `#[schema(value_type = Vec<…>, max_items = …)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor::<T, MAX>(PhantomData)).map(Self)
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            if list.len() == MAX {
                return Err(de::Error::invalid_length(MAX + 1, &self));
            }
            list.push(element);
        }
        Ok(list)
    }
}

/// An object of at most `MAX` members with names of 1 to `NAME` characters, each name once and without the character
/// `WITHOUT`; NUL, which no name may hold anyway, forbids nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members<V, const MAX: usize, const NAME: usize, const WITHOUT: char = '\0'>(
    pub BTreeMap<String, V>,
);

/// Labels of a token: at most 20, names of at most 64 characters, values of at most 256. No name holds `=`, which ends
/// it in a filter.
pub type Labels = Members<Text<0, 256>, 20, 64, '='>;

/// Changes of labels: null removes one.
pub type LabelsPatch = Members<Option<Text<0, 256>>, 40, 64, '='>;

impl<V, const MAX: usize, const NAME: usize, const WITHOUT: char> Default for Members<V, MAX, NAME, WITHOUT> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>, const MAX: usize, const NAME: usize, const WITHOUT: char> Deserialize<'de>
    for Members<V, MAX, NAME, WITHOUT>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor::<V, MAX, NAME, WITHOUT>(PhantomData)).map(Self)
    }
}

struct MembersVisitor<V, const MAX: usize, const NAME: usize, const WITHOUT: char>(PhantomData<V>);

impl<'de, V: Deserialize<'de>, const MAX: usize, const NAME: usize, const WITHOUT: char> Visitor<'de>
    for MembersVisitor<V, MAX, NAME, WITHOUT>
{
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of at most {MAX} members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key_seed(NewName::<V, NAME, WITHOUT>(&members))? {
            if members.len() == MAX {
                return Err(de::Error::invalid_length(MAX + 1, &self));
            }
            let value = map.next_value()?;
            members.insert(name, value);
        }
        Ok(members)
    }
}

/// Refuses a name while it is read, so that the error's pointer ends in it.
struct NewName<'a, V, const NAME: usize, const WITHOUT: char>(&'a BTreeMap<String, V>);

impl<'de, V, const NAME: usize, const WITHOUT: char> DeserializeSeed<'de> for NewName<'_, V, NAME, WITHOUT> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let name = deserializer.deserialize_string(TextVisitor::<1, NAME>)?;
        if name.contains(WITHOUT) {
            return Err(de::Error::custom(format_args!("expected a name without {WITHOUT}")));
        }
        if self.0.contains_key(&name) {
            return Err(de::Error::custom("expected each member once"));
        }
        Ok(name)
    }
}

impl<const MIN: u64, const MAX: u64> PartialSchema for Whole<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
        object.minimum(Some(MIN)).maximum(Some(MAX)).into()
    }
}

impl<const MIN: u64, const MAX: u64> ToSchema for Whole<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("WholeFrom{MIN}To{MAX}"))
    }
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        object.min_length(Some(MIN)).max_length(Some(MAX)).into()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Text<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("TextOf{MIN}To{MAX}"))
    }
}

impl<V: PartialSchema, const MAX: usize, const NAME: usize, const WITHOUT: char> PartialSchema
    for Members<V, MAX, NAME, WITHOUT>
{
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(SchemaType::new(Type::Object));
        object
            .additional_properties(Some(AdditionalProperties::RefOr(V::schema())))
            .max_properties(Some(MAX))
            .into()
    }
}

impl<V: ToSchema, const MAX: usize, const NAME: usize, const WITHOUT: char> ToSchema
    for Members<V, MAX, NAME, WITHOUT>
{
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("MembersOfAtMost{MAX}{}", V::name()))
    }
}
