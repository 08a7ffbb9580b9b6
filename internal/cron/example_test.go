package cron_test

import (
	"fmt"
	"time"

	"github.com/backbeat-go/backbeat/internal/cron"
)

func ExampleExpression_Next() {
	loc, err := cron.Zone("Asia/Shanghai")
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := cron.Parse("*/30 9-17 * * mon-fri", cron.EitherDay)
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, time.November, 20, 17, 0, 0, 0, loc) // a Friday
	for range 3 {
		at, _ = e.Next(at, loc)
		fmt.Println(at.Format(time.RFC1123Z))
	}
	// Output:
	// Fri, 20 Nov 2026 17:30:00 +0800
	// Mon, 23 Nov 2026 09:00:00 +0800
	// Mon, 23 Nov 2026 09:30:00 +0800
}

// The table of the package's documentation.
func ExampleExpression_Next_summerTime() {
	berlin, err := cron.Zone("Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, midnight := range []time.Time{
		time.Date(2026, time.March, 29, 0, 0, 0, 0, berlin),
		time.Date(2026, time.October, 25, 0, 0, 0, 0, berlin),
	} {
		four := time.Date(2026, midnight.Month(), midnight.Day(), 4, 0, 0, 0, berlin)
		fmt.Println(midnight.Format(time.DateOnly))
		for _, expr := range []string{"30 2 * * *", "30 * * * *", "*/15 2 * * *", "0 3 * * *"} {
			fmt.Printf("%-12s", expr)
			e, err := cron.Parse(expr, cron.EitherDay)
			if err != nil {
				fmt.Println(err)
				return
			}
			for at, ok := e.Next(midnight, berlin); ok && at.Before(four); at, ok = e.Next(at, berlin) {
				fmt.Print(" ", at.UTC().Format("15:04"))
			}
			fmt.Println()
		}
	}
	// Output:
	// 2026-03-29
	// 30 2 * * *   01:00
	// 30 * * * *   23:30 00:30 01:30
	// */15 2 * * * 01:00
	// 0 3 * * *    01:00
	// 2026-10-25
	// 30 2 * * *   00:30
	// 30 * * * *   22:30 23:30 00:30 01:30 02:30
	// */15 2 * * * 00:00 00:15 00:30 00:45
	// 0 3 * * *    02:00
}

func ExampleParse() {
	_, err := cron.Parse("0 24 * * funday", cron.EitherDay)
	fmt.Println(err)
	// Output:
	// hour: 24 is out of range 0-23; day of week: "funday" is not a number 0-7 or a name sun-sat
}
