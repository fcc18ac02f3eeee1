mod model;
mod records;
mod windows;
