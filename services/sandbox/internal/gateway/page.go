package gateway

// Page returns the rows of a page of all, each made by row, and how many pages of that size there are.
// Pages count from 1; one after the last is empty.
func Page[T, R any](all []T, number, size int64, row func(T) R) (rows []R, pages int64) {
	total := int64(len(all))
	pages = (total + size - 1) / size
	rows = []R{}
	if number <= pages {
		for _, one := range all[(number-1)*size : min(number*size, total)] {
			rows = append(rows, row(one))
		}
	}
	return rows, pages
}
