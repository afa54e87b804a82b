use crate::Malformed;
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePath(Box<str>);
impl BasePath {
    pub fn parse(t: &str) -> Result<Self, Malformed> {
        Ok(Self(t.into()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn covers(&self, p: &str) -> bool {
        p.starts_with(&*self.0)
    }
    pub fn contains(&self, o: &Self) -> bool {
        o.0.starts_with(&*self.0)
    }
}
