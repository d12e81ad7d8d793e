package control

import (
	"net/http"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// World is the master data, and how its late goods are released.
type World struct {
	*world.World
	// Release lets the finance systems know the late goods.
	Release func() error
}

// worldView is the World as it is shown.
type worldView struct {
	Goods      []world.Good      `json:"goods"`
	Warehouses []world.Warehouse `json:"warehouses"`
	// Excluded is the warehouse that the finance systems do not have.
	Excluded string       `json:"excluded_warehouse"`
	Units    []world.Unit `json:"units"`
	Shops    []world.Shop `json:"shops"`
	Late     int          `json:"late_goods"`
	Released *time.Time   `json:"released"`
}

func (h *control) world(w http.ResponseWriter, _ *http.Request) error {
	view := worldView{
		Goods: h.World.Goods, Warehouses: h.World.Warehouses, Excluded: world.Excluded,
		Units: h.World.Units, Shops: h.World.Shops,
	}
	for _, g := range h.World.Goods {
		if g.Late {
			view.Late++
		}
	}
	if t := h.World.Released(); !t.IsZero() {
		view.Released = &t
	}
	write(w, http.StatusOK, view)
	return nil
}

func (h *control) release(w http.ResponseWriter, _ *http.Request) error {
	if err := h.World.Release(); err != nil {
		return err
	}
	write(w, http.StatusOK, map[string]time.Time{"released": h.World.Released()})
	return nil
}
