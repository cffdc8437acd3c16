// Runs beside the page, once, while its script is on the way. When it is first asked for a format, V8 looks through all
// the languages that it knows, which takes longer than anything else that a page does to come up; what it finds it keeps
// for all threads. Without this file the page does the same by itself.
new Intl.DateTimeFormat().format();
new Intl.NumberFormat().format(0);
new Intl.Collator().compare('a', 'b');
close();
