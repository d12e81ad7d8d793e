package measure

import (
	"maps"
	"math"
	"slices"
)

// Row is what came of a line.
type Row struct {
	Scenario string `json:"scenario"`
	Name     string `json:"name"`
	Unit     string `json:"unit"`
	// Less is set where less is better.
	Less bool `json:"less_is_better,omitempty"`
	// Ours and Floor are the two sides; the floor is nil where there is none.
	Ours  Result  `json:"ours"`
	Floor *Result `json:"floor,omitempty"`
	// Ratio is the median of ours divided by that of the floor, 0 without a floor.
	Ratio float64 `json:"ratio,omitempty"`
	// Control is the median of the control divided by that of the side that it repeats: 1 on a quiet
	// machine, 0 without a control. Noise is how far the farthest pair of those runs is apart, as a share: of
	// five pairs that is about as much as chance can do to a ratio of medians.
	Control float64 `json:"aa_ratio,omitempty"`
	Noise   float64 `json:"noise,omitempty"`
	// CPUUnit is that of the processor times of both sides.
	CPUUnit string `json:"cpu_unit,omitempty"`
	// Target says what is asked, Met whether it is reached; both are empty where nothing is.
	Target string `json:"target,omitempty"`
	Met    *bool  `json:"met,omitempty"`
}

// Result is what the runs of one side brought.
type Result struct {
	// Median is that of Values, which are in the order of the runs.
	Median float64   `json:"median"`
	Values []float64 `json:"values"`
	// CPU is the median by role, in the row's CPUUnit; RSS the median of the peaks, in bytes.
	CPU map[string]float64 `json:"cpu,omitempty"`
	RSS map[string]int64   `json:"rss_bytes,omitempty"`
}

// side puts the figures of a line together.
func side(samples []Sample, name string) Result {
	r := Result{Values: values(samples, name)}
	r.Median = median(r.Values)
	cpu, rss := map[string][]float64{}, map[string][]float64{}
	for _, s := range samples {
		for role, v := range s[name].CPU {
			cpu[role] = append(cpu[role], v)
		}
		for role, v := range s[name].RSS {
			rss[role] = append(rss[role], float64(v))
		}
	}
	for role := range maps.Keys(cpu) {
		if r.CPU == nil {
			r.CPU = map[string]float64{}
		}
		r.CPU[role] = median(cpu[role])
	}
	for role := range maps.Keys(rss) {
		if r.RSS == nil {
			r.RSS = map[string]int64{}
		}
		r.RSS[role] = int64(median(rss[role]))
	}
	return r
}

func values(samples []Sample, name string) []float64 {
	var all []float64
	for _, s := range samples {
		if f, ok := s[name]; ok {
			all = append(all, f.Value)
		}
	}
	return all
}

// median returns the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// ratio is a divided by b, 0 where that is no number.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// noise compares equal runs: how far their medians are apart, as a ratio, and the farthest pair of runs,
// as a share.
func noise(runs, again []float64) (ofMedians, farthest float64) {
	for i := range min(len(runs), len(again)) {
		if r := ratio(again[i], runs[i]); r > 0 {
			farthest = max(farthest, math.Abs(math.Log(r)))
		}
	}
	return ratio(median(again), median(runs)), math.Expm1(farthest)
}
