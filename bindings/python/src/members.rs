//! JSON objects of the service as Python has read them: members by name and type, and nothing overlooked.

use countermark_core::UnixSeconds;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};

use crate::arguments::{self, wrong_type};
use crate::exceptions::invalid_argument;

/// Objects and lists within each other, where the service's own records have three levels. A bound keeps an object that
/// contains itself from exhausting the stack.
const MOST_LEVELS: usize = 8;

/// One object, and where it stands in the argument that it came with, as `record.extra`.
pub(crate) struct Members<'py> {
    place: String,
    members: Bound<'py, PyDict>,
}

impl<'py> Members<'py> {
    /// Copies an object with all that it contains, so that nobody changes it while it is being read or later. The members
    /// named in `left_out` are not even looked at.
    ///
    /// # Errors
    /// `TypeError` for what is no mapping and has no `to_json()` that answers one; `InvalidArgument` for what is not JSON.
    pub(crate) fn copy_of(argument: &str, object: &Bound<'py, PyAny>, left_out: &[&str]) -> PyResult<Self> {
        let py = object.py();
        const EXPECTED: &str = "a mapping, the service's JSON, or an object with to_json()";
        let mapping = match object.cast::<PyMapping>() {
            Ok(mapping) => mapping.clone(),
            Err(_) if object.hasattr("to_json")? => {
                let json = object.call_method0("to_json")?;
                json.cast_into::<PyMapping>().map_err(|_| wrong_type(argument, EXPECTED, object))?
            }
            Err(_) => return Err(wrong_type(argument, EXPECTED, object)),
        };
        let members = PyDict::new(py);
        for item in mapping.items()? {
            let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let name = member_name(argument, &name)?;
            if !left_out.contains(&&*name) {
                let place = format!("{argument}.{name}");
                add(&members, &place, &name, copy(&place, &value, 1)?)?;
            }
        }
        Ok(Self { place: argument.to_owned(), members })
    }

    /// The copy itself.
    pub(crate) const fn as_dict(&self) -> &Bound<'py, PyDict> {
        &self.members
    }

    /// # Errors
    /// `InvalidArgument` naming a member that has a value and is not among `known`.
    pub(crate) fn refuse_others(&self, known: &[&str]) -> PyResult<()> {
        for (name, value) in &self.members {
            let name = name.cast_into::<PyString>()?;
            let name = name.to_str()?;
            if !value.is_none() && !known.contains(&name) {
                let expected = "expected nothing: a member that this version does not know here may be a restriction, \
                                so the record is refused";
                return Err(self.wrong(name, expected));
            }
        }
        Ok(())
    }

    /// Takes a member out of the copy; `None` if it is absent or null.
    pub(crate) fn take(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.find(name)?;
        if found.is_some() {
            self.members.del_item(name)?;
        }
        Ok(found)
    }

    /// A string.
    pub(crate) fn text(&self, name: &str) -> PyResult<Option<String>> {
        self.read(name, "expected a string", as_text)
    }

    /// A list of strings.
    pub(crate) fn texts(&self, name: &str) -> PyResult<Option<Vec<String>>> {
        self.read(name, "expected a list of strings", |found| {
            found.cast::<PyList>().ok()?.iter().map(|item| as_text(&item)).collect()
        })
    }

    /// A list of strings, each of which `parse` must accept.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> PyResult<Option<Vec<T>>> {
        let Some(texts) = self.texts(name)? else { return Ok(None) };
        let parse = |text: &String| parse(text).map_err(|invalid| self.wrong(name, invalid));
        texts.iter().map(parse).collect::<PyResult<_>>().map(Some)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> PyResult<Option<bool>> {
        self.read(name, "expected true or false", |found| found.cast::<PyBool>().ok().map(|it| it.is_true()))
    }

    /// A whole number that fits the type.
    pub(crate) fn number<T: TryFrom<u64>>(&self, name: &str) -> PyResult<Option<T>> {
        self.read(name, "expected a whole number in the range of this member", |found| {
            T::try_from(found.cast_exact::<PyInt>().ok()?.extract::<u64>().ok()?).ok()
        })
    }

    /// Unix seconds.
    pub(crate) fn instant(&self, name: &str) -> PyResult<Option<UnixSeconds>> {
        self.read(name, "expected Unix seconds from 0 to 253402300799", |found| {
            UnixSeconds::new(found.cast_exact::<PyInt>().ok()?.extract::<u64>().ok()?)
        })
    }

    /// An object within this one.
    pub(crate) fn object(&self, name: &str) -> PyResult<Option<Self>> {
        let place = format!("{}.{name}", self.place);
        self.read(name, "expected an object", |found| {
            Some(Self { place, members: found.cast::<PyDict>().ok()?.clone() })
        })
    }

    /// A list of objects within this one.
    pub(crate) fn objects(&self, name: &str) -> PyResult<Option<Vec<Self>>> {
        let place = &self.place;
        self.read(name, "expected a list of objects", |found| {
            let items = found.cast::<PyList>().ok()?.iter().enumerate();
            let object = |(index, item): (usize, Bound<'py, PyAny>)| {
                Some(Self { place: format!("{place}.{name}[{index}]"), members: item.cast_into().ok()? })
            };
            items.map(object).collect()
        })
    }

    /// What was read of a member that must be there.
    pub(crate) fn required<T>(&self, name: &str, found: Option<T>, expected: &str) -> PyResult<T> {
        found.ok_or_else(|| self.wrong(name, expected))
    }

    /// # Errors
    /// `InvalidArgument` naming a member that is absent; null is there.
    pub(crate) fn must_name(&self, names: &[&str]) -> PyResult<()> {
        const EXPECTED: &str = "expected this member, which the service always shows: without it a restriction would be \
                                overlooked";
        for name in names {
            if !self.members.contains(*name)? {
                return Err(self.wrong(name, EXPECTED));
            }
        }
        Ok(())
    }

    /// # Errors
    /// As [`Members::must_name`], and for null.
    pub(crate) fn must_say(&self, names: &[&str]) -> PyResult<()> {
        self.must_name(names)?;
        for name in names {
            self.required(name, self.find(name)?, "expected a value: the service never shows null here")?;
        }
        Ok(())
    }

    /// `InvalidArgument` about a member.
    pub(crate) fn wrong(&self, name: &str, expected: impl std::fmt::Display) -> PyErr {
        invalid_argument(self.members.py(), &format!("{}.{name}", self.place), expected)
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Bound<'py, PyAny>) -> Option<T>,
    ) -> PyResult<Option<T>> {
        let Some(found) = self.find(name)? else { return Ok(None) };
        read(&found).ok_or_else(|| self.wrong(name, expected)).map(Some)
    }

    fn find(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.members.get_item(name)?.filter(|found| !found.is_none()))
    }
}

fn as_text(found: &Bound<'_, PyAny>) -> Option<String> {
    found.cast::<PyString>().ok()?.to_str().ok().map(str::to_owned)
}

fn member_name(place: &str, name: &Bound<'_, PyAny>) -> PyResult<String> {
    as_text(name)
        .ok_or_else(|| invalid_argument(name.py(), place, "expected names of members that are Unicode text"))
}

/// # Errors
/// `InvalidArgument` for a member that is there already: of two, either could be the one that was meant.
fn add(members: &Bound<'_, PyDict>, place: &str, name: &str, value: Bound<'_, PyAny>) -> PyResult<()> {
    if members.contains(name)? {
        return Err(invalid_argument(members.py(), place, "expected this member once"));
    }
    members.set_item(name, value)
}

/// A copy of JSON as `json.loads` makes it, where tuples and other mappings may stand for lists and objects.
fn copy<'py>(place: &str, value: &Bound<'py, PyAny>, level: usize) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if value.is_none() || value.is_instance_of::<PyBool>() || value.is_exact_instance_of::<PyInt>() {
        return Ok(value.clone());
    }
    if value.is_exact_instance_of::<PyFloat>() {
        return Ok(value.clone());
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(PyString::new(py, &arguments::text(place, text)?).into_any());
    }
    if level > MOST_LEVELS {
        return Err(invalid_argument(py, place, format!("expected at most {MOST_LEVELS} levels of JSON")));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = PyList::empty(py);
        for (index, item) in value.try_iter()?.enumerate() {
            items.append(copy(&format!("{place}[{index}]"), &item?, level + 1)?)?;
        }
        return Ok(items.into_any());
    }
    let mapping = value.cast::<PyMapping>().map_err(|_| invalid_argument(py, place, "expected JSON"))?;
    let members = PyDict::new(py);
    for item in mapping.items()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        // Its name may be a viewer's.
        let name = member_name(place, &name)?;
        let place = format!("{place}.{name}");
        add(&members, &place, &name, copy(&place, &value, level + 1)?)?;
    }
    Ok(members.into_any())
}
