//! Both indexes against a model that looks at every record.

mod active;
mod damage;
mod model;
mod sealed;
