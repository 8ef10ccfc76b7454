//! asyncio's streams: what runs per read, per write, per drain and per chunk that comes in.
//!
//! Each class here is the native base of one in `python/ioxide/_streams.py`, whose second base is the standard library's
//! class of that name. What happens once per connection that one inherits from there: to connect, to start TLS, to warn of
//! what was forgotten, reprs. It works with the attributes that the native base shows.
//!
//! A program may derive its own class and replace any method, private ones too. An object of such a class leaves all that
//! would go past these methods to the standard library's code: see [`plain`].

pub mod flow_control;
pub mod plain;
pub mod protocol;
pub mod reader;
pub mod subprocess;
pub mod writer;
