// Package cron parses cron expressions and computes the times at which they fire. It is pure: it does not read a clock and
// does not run anything.
//
// # Fields
//
// An expression has five fields, or six with the seconds first; with five, the second is 0.
//
//	second        0-59
//	minute        0-59
//	hour          0-23
//	day of month  1-31   L  L-3  15W  LW  25-L
//	month         1-12   jan-dec
//	day of week   0-7    sun-sat  5L  friL  5#3  fri#3     0 and 7 are Sunday
//
// Case is ignored, and names may be written in full. A seventh field that is * or ?, the year of Quartz, is ignored if
// weekdays are given by name. The macros are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually. The
// rules:
//
//   - A field is a comma-separated list of items. It matches if any item does.
//   - * is all values. In the two day fields, ? is the same.
//   - a-b is a range with both ends. Where b is less than a it wraps: 22-2 is 22, 23, 0, 1, 2, and fri-mon is
//     Friday to Monday. Days of the month wrap after 31, whatever the month.
//   - a-b/n is every n-th value of the range, counted along the wrap: 22-3/2 is 22, 0, 2. */n counts from the
//     minimum, a/n from a to the maximum. Of weekdays, the maximum is Saturday. A step is 1 at least and
//     at most the number of the field's values.
//   - L is the last day of the month, L-3 the third day before it, LW the last day from Monday to Friday, and a-L a
//     range to the last day, with a step or without.
//   - 15W is the day from Monday to Friday nearest to the 15th, and never in another month. A month without
//     that day has none.
//   - 5L and 5#L are the last Friday of the month, 5#3 the third; mon-fri#1 is the first of each of these weekdays. A month
//     without a fifth Friday has no 5#5.
//   - Where both day fields are restricted, either is enough (EitherDay), or both must match (BothDays). A field is
//     unrestricted when it is exactly * or ?, so that */2 restricts.
//
// For the syntax of other programs, such as AWS EventBridge, CRON_TZ, @every, H or a line of a crontab, the error says what
// to write instead.
//
// # When clocks change
//
// A clock that is put forward skips readings; one that is put back shows some twice. What an expression means
// on such a day depends on its hour field:
//
//   - With a * in any of its items, */2 included, it means a rhythm: it fires at every instant whose reading
//     matches, both times where one comes twice, and not for what is skipped.
//   - Otherwise it means times of day, 0-23 included: each reading fires once. One that comes twice fires the
//     first time. One that is skipped fires at the first instant after the gap; several that are skipped
//     fire there together, once.
//
// In Europe/Berlin, where 02:00 to 03:00 is skipped on
// 2026-03-29 and comes twice on 2026-10-25, these fire from 00:00 to 04:00 (instants in UTC; ' is the day before):
//
//	                2026-03-29 (01:00 UTC: 02:00 -> 03:00)   2026-10-25 (01:00 UTC: 03:00 -> 02:00)
//	30 2 * * *      01:00                                    00:30
//	30 * * * *      23:30' 00:30 01:30                       22:30' 23:30' 00:30 01:30 02:30
//	*/15 2 * * *    01:00                                    00:00 00:15 00:30 00:45
//	0 3 * * *       01:00                                    02:00
//
// The same holds for any change: of half an hour, at midnight, of a whole day at the date line, or of a zone that
// moves without summer time.
//
// # How Next works
//
// The history of a zone is a row of stretches during which its clocks run undisturbed. In a stretch, the question is
// one of the calendar only: the first reading from a given one on that the fields match, found by bits of sets, month
// by month. For times of day the search begins at the first reading that the clock has not come to before,
// be it shown or skipped; that one number makes both rules for changed clocks. If the reading found lies beyond the
// stretch, the search goes on in the one where it may be shown, so that a rare day costs no walk through all that lie
// between.
//
// Zones come from the host's database, or else from the one in the program. Rules of far years are the
// legislators' to change.
package cron
