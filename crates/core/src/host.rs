use crate::Malformed;
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(Box<str>);
impl Host {
    pub fn parse(t: &str) -> Result<Self, Malformed> {
        Ok(Self(t.into()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
