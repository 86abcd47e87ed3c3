"""Steps between a span's end and the wire: each takes a frozen `SpanRecord` and hands on a new one."""
