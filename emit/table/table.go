// Package table writes small tables of mixed types as CSV, JSON or Parquet.
package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// Column is a named column: Values is a []int32, []int64, []float64 or
// []string, as long as that of every other column of the table.
type Column struct {
	Name   string
	Values any
}

// writers is the list of formats.
var writers = map[string]func(io.Writer, []Column) error{
	"csv":     writeCSV,
	"json":    writeJSON,
	"parquet": writeParquet,
}

// Formats returns the names of the formats in alphabetical order.
func Formats() []string { return slices.Sorted(maps.Keys(writers)) }

// Write writes the table. JSON is one array with an object on each line;
// Parquet columns are required and compressed with snappy.
func Write(w io.Writer, format string, columns []Column) error {
	write, ok := writers[format]
	if !ok {
		return fmt.Errorf("no table format %q; there are %v", format, Formats())
	}
	return write(w, columns)
}

func writeCSV(w io.Writer, columns []Column) error {
	out := csv.NewWriter(w)
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.Name
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for row := range length(columns) {
		for i, c := range columns {
			record[i] = text(c.Values, row)
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func writeJSON(w io.Writer, columns []Column) error {
	out := bufio.NewWriter(w)
	line := []byte("[")
	for row := range length(columns) {
		if row > 0 {
			line = append(line, ',')
		}
		line = append(line, '\n')
		for i, c := range columns {
			line = append(line, "{,"[min(i, 1)])
			line = strconv.AppendQuote(line, c.Name)
			line = append(line, ':')
			if s, ok := c.Values.([]string); ok {
				quoted, err := json.Marshal(s[row])
				if err != nil {
					return err
				}
				line = append(line, quoted...)
				continue
			}
			line = append(line, text(c.Values, row)...)
		}
		line = append(line, '}')
		if _, err := out.Write(line); err != nil {
			return err
		}
		line = line[:0]
	}
	if _, err := out.Write(append(line, "\n]\n"...)); err != nil {
		return err
	}
	return out.Flush()
}

func writeParquet(w io.Writer, columns []Column) error {
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, c := range columns {
		a := toArrow(c.Values)
		defer a.Release()
		fields = append(fields, arrow.Field{Name: c.Name, Type: a.DataType()})
		arrays = append(arrays, a)
	}
	schema := arrow.NewSchema(fields, nil)
	record := array.NewRecord(schema, arrays, int64(length(columns)))
	defer record.Release()
	// The library panics when the first bytes cannot be written.
	var file bytes.Buffer
	out, err := pqarrow.NewFileWriter(schema, &file, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy)), pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	if err := errors.Join(out.Write(record), out.Close()); err != nil {
		return err
	}
	_, err = w.Write(file.Bytes())
	return err
}

func toArrow(values any) arrow.Array {
	switch v := values.(type) {
	case []int32:
		b := array.NewInt32Builder(memory.DefaultAllocator)
		defer b.Release()
		b.AppendValues(v, nil)
		return b.NewArray()
	case []int64:
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		b.AppendValues(v, nil)
		return b.NewArray()
	case []float64:
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		defer b.Release()
		b.AppendValues(v, nil)
		return b.NewArray()
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(values.([]string), nil)
	return b.NewArray()
}

func length(columns []Column) int {
	switch v := columns[0].Values.(type) {
	case []int32:
		return len(v)
	case []int64:
		return len(v)
	case []float64:
		return len(v)
	}
	return len(columns[0].Values.([]string))
}

// text returns a value as CSV writes it, and JSON if it is a number.
func text(values any, row int) string {
	switch v := values.(type) {
	case []int32:
		return strconv.FormatInt(int64(v[row]), 10)
	case []int64:
		return strconv.FormatInt(v[row], 10)
	case []float64:
		return strconv.FormatFloat(v[row], 'f', -1, 64)
	}
	return values.([]string)[row]
}
