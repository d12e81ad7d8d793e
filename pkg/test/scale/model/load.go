package model

import (
	"fmt"
	"time"
)

// Curve is how the records of a day come: for each hour how many, relative to the other hours, and bursts on top.
type Curve struct {
	Name   string
	Hours  [24]float64
	Bursts []Burst
}

// Burst multiplies what comes for a while.
type Burst struct {
	At, For time.Duration
	Factor  float64
}

// The curves: a day of online shops, the same with a campaign that begins at eight in the evening, and the last
// day of a month in finance.
var (
	shops = [24]float64{.5, .3, .15, .1, .1, .15, .3, .6, 1, 1.3, 1.5, 1.4, 1.2, 1.2, 1.3, 1.3, 1.2, 1.1, 1.1, 1.4, 1.9, 2.1, 1.7, 1.1}
	Day   = Curve{Name: "day", Hours: shops}
	// Campaign is ten times as much for ten minutes, then four times for an hour.
	Campaign = Curve{Name: "campaign", Hours: shops, Bursts: []Burst{
		{20 * time.Hour, 10 * time.Minute, 10}, {20*time.Hour + 10*time.Minute, time.Hour, 4},
	}}
	// MonthEnd is working hours, and five times as much in the last two of them.
	MonthEnd = Curve{Name: "month-end", Hours: [24]float64{.1, .1, .1, .1, .1, .1, .1, .2, 1, 2, 2, 1.8, .8, 1.5, 2, 2, 2, 2.2, 1.5, 1, .6, .4, .2, .1}, Bursts: []Burst{
		{16 * time.Hour, 2 * time.Hour, 5},
	}}
)

// CurveOf returns the curve with a name.
func CurveOf(name string) (Curve, error) {
	for _, c := range []Curve{Day, Campaign, MonthEnd} {
		if c.Name == name {
			return c, nil
		}
	}
	return Curve{}, fmt.Errorf("no curve %q: there are %s, %s and %s", name, Day.Name, Campaign.Name, MonthEnd.Name)
}

// at is how many times the mean of a plain day comes at a time: hours flow into one another, and a burst comes
// on top of the day, whose total then is greater.
func (c Curve) at(t time.Duration) float64 {
	t %= 24 * time.Hour
	sum := 0.0
	for _, h := range c.Hours {
		sum += h
	}
	hour := int(t / time.Hour)
	part := float64(t%time.Hour) / float64(time.Hour)
	rate := (c.Hours[hour]*(1-part) + c.Hours[(hour+1)%24]*part) * 24 / sum
	for _, b := range c.Bursts {
		if t >= b.At && t < b.At+b.For {
			rate *= b.Factor
		}
	}
	return rate
}
