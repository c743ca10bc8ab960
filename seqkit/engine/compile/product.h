// left @ right for a matrix that many products share: it is packed once, into panels as wide as a tile.
//
//                    right, packed: panel after panel, each k rows of `cols` numbers
//                    ┌──────┬──────┬──────┐
//                  k │      │  ▒▒  │      │
//           k        ├──────┼──────┼──────┤
//        ┌──────┐    │      │      │      │
//   rows │  ▒▒  │    │      │ tile │      │   a tile of the result stays in registers for all of k
//        └──────┘    └──────┴──────┴──────┘
//
// Each number is one sum in the order of k, for any number of threads.

#include <ATen/cpu/vec/vec.h>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <omp.h>
#include <vector>

namespace product {

#ifdef CPU_CAPABILITY_AVX512
constexpr int most_rows = 12;  // 12 times two vectors, of 32 registers
#else
constexpr int most_rows = 6;
#endif

template <typename T> constexpr int width = at::vec::Vectorized<T>::size();
template <typename T> constexpr int cols = 2 * width<T>;  // at most 64: the code that packs must know this

template <typename T> int64_t panels(int64_t n) { return (n + cols<T> - 1) / cols<T>; }

template <typename T>
void pack(const T* right, int64_t row_stride, int64_t col_stride, int64_t k, int64_t n, T* packed) {
#pragma omp parallel for if (n > cols<T>)
  for (int64_t first = 0; first < n; first += cols<T>) {
    const int64_t count = std::min<int64_t>(n - first, cols<T>);
    T* to = packed + first * k;
    for (int64_t i = 0; i < k; i++, to += cols<T>) {
      const T* from = right + i * row_stride + first * col_stride;
      if (col_stride == 1 && count == cols<T>) std::copy_n(from, cols<T>, to);
      else for (int64_t j = 0; j < count; j++) to[j] = from[j * col_stride];
      std::fill(to + count, to + cols<T>, T(0));
    }
  }
}

// How `multiply` and `add_tall` differ: the address of the left number of row r at the i-th of k, and the sums.
enum Kind { plain, tall };

template <Kind kind, typename T, int rows>
void tile(const T* left, int64_t left_stride, const T* panel, int64_t k, T* out, int64_t out_stride, int64_t n) {
  using Vec = at::vec::Vectorized<T>;
  Vec sums[rows][2];
#pragma GCC unroll 12
  for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = Vec(T(0));
  for (int64_t i = 0; i < k; i++, panel += cols<T>) {
    const Vec first = Vec::loadu(panel), second = Vec::loadu(panel + width<T>);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
      const Vec number(kind == tall ? left[i * most_rows + r] : left[r * left_stride + i]);
      sums[r][0] = at::vec::fmadd(number, first, sums[r][0]);
      sums[r][1] = at::vec::fmadd(number, second, sums[r][1]);
    }
  }
  const int64_t in_first = std::min<int64_t>(n, width<T>), in_second = std::min<int64_t>(n - in_first, width<T>);
#pragma GCC unroll 12
  for (int r = 0; r < rows; r++) {
    const Vec first = sums[r][0], second = sums[r][1];
    T* to = out + r * out_stride;
    if constexpr (kind == tall) {
      (first + Vec::loadu(to)).store(to);
      (second + Vec::loadu(to + width<T>)).store(to + width<T>);
    } else {
      first.store(to, in_first);
      if (in_second > 0) second.store(to + width<T>, in_second);
    }
  }
}

// The tile with the wanted number of rows, which must be known at compile time.
template <Kind kind, typename T, int rows = most_rows>
void tile_of(int64_t wanted, const T* left, int64_t left_stride, const T* panel, int64_t k, T* out,
             int64_t out_stride, int64_t n) {
  if (wanted == rows) tile<kind, T, rows>(left, left_stride, panel, k, out, out_stride, n);
  else if constexpr (rows > 1) tile_of<kind, T, rows - 1>(wanted, left, left_stride, panel, k, out, out_stride, n);
}

// The number of panels of a thread's share that have been taken, by itself or by others; in a separate cache line.
struct alignas(64) Share { std::atomic<int64_t> taken{0}; };

// out (m, n) = left (m, k) @ right (k, n); rows are contiguous.
//
// Threads divide the rows while there are eight for each, then the columns: the kernels between two products go over
// rows as well, and find in the cache what their own core has written. A thread that is done helps the others: on a
// shared machine one core may be half as fast as another, for a while.
template <typename T>
void multiply(const T* left, int64_t left_stride, const T* packed, T* out, int64_t out_stride, int64_t m, int64_t k,
              int64_t n) {
  const bool helping = m * k * n > (1 << 21);  // for a smaller product, helping takes longer
  static thread_local std::vector<Share> kept;
  if (int64_t(kept.size()) < omp_get_max_threads()) kept = std::vector<Share>(omp_get_max_threads());
  Share* const shares = kept.data();
  if (helping) for (Share& share : kept) share.taken.store(0, std::memory_order_relaxed);
#pragma omp parallel if (m * k * n > 32768)
  {
    const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
    int64_t by_rows = threads;
    while (by_rows > 1 && (m < 8 * by_rows || threads % by_rows != 0)) by_rows--;
    const int64_t by_cols = threads / by_rows, count = panels<T>(n);
    for (int64_t i = 0; i < (helping ? threads : 1); i++) {
      const int64_t owner = (thread + i) % threads, place = owner % by_rows, col_place = owner / by_rows;
      const int64_t top = m * place / by_rows, height = m * (place + 1) / by_rows - top;
      const int64_t blocks = (height + most_rows - 1) / most_rows, stop = count * (col_place + 1) / by_cols;
      int64_t next = count * col_place / by_cols;
      const auto take = [&, start = next] {
        return helping ? start + shares[owner].taken.fetch_add(1, std::memory_order_relaxed) : next++;
      };
      for (int64_t panel; (panel = take()) < stop;)
        for (int64_t block = 0; block < blocks; block++) {
          const int64_t row = height * block / blocks, rows = height * (block + 1) / blocks - row, col = panel * cols<T>;
          tile_of<plain, T>(rows, left + (top + row) * left_stride, left_stride, packed + col * k, k,
                            out + (top + row) * out_stride + col, out_stride, n - col);
        }
    }
  }
}

// out (m, n) += the transpose of left (k, m) @ right (k, n), for a large k; rows of out have room for whole panels.
//
//      left        right
//     ┌─┬─┬─┐     ┌──┬──┐
//     │ │▒│ │     │  │▒▒│     both are packed, some rows of k at a time,
//     ├─┼─┼─┤     ├──┼──┤     so that a tile reads contiguous memory
//     │ │ │ │  k  │  │  │
//     └─┴─┴─┘     └──┴──┘
template <typename T>
void add_tall(const T* left, int64_t left_stride, const T* right, int64_t right_stride, T* out, int64_t out_stride,
              int64_t k, int64_t m, int64_t n) {
  constexpr int64_t most_deep = 256;
  const int64_t blocks = (m + most_rows - 1) / most_rows;
  // A panel is divided into parts if there are few panels for each thread.
  const int64_t parts = std::clamp<int64_t>(4 * omp_get_max_threads() / panels<T>(n), 1, blocks);
  static thread_local std::vector<T> kept;  // allocating takes as long as packing
  kept.resize(std::max<size_t>(kept.size(), most_deep * blocks * most_rows));
  T* const packed_left = kept.data();
#pragma omp parallel
  for (int64_t first = 0; first < k; first += most_deep) {
    const int64_t deep = std::min(most_deep, k - first);
#pragma omp for
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t row = m * block / blocks, rows = m * (block + 1) / blocks - row;
      T* to = packed_left + block * most_deep * most_rows;
      for (int64_t i = 0; i < deep; i++, to += most_rows) {
        const T* from = left + (first + i) * left_stride + row;
        if (rows == most_rows) std::copy_n(from, most_rows, to);  // a length known at compile time
        else std::copy_n(from, rows, to);
      }
    }
#pragma omp for schedule(dynamic)
    for (int64_t share = 0; share < panels<T>(n) * parts; share++) {
      const int64_t col = share / parts * cols<T>, part = share % parts;
      T packed_right[most_deep * cols<T>];
      pack(right + first * right_stride + col, right_stride, 1, deep, std::min<int64_t>(n - col, cols<T>), packed_right);
      for (int64_t block = blocks * part / parts; block < blocks * (part + 1) / parts; block++) {
        const int64_t row = m * block / blocks;
        tile_of<tall, T>(m * (block + 1) / blocks - row, packed_left + block * most_deep * most_rows, most_rows,
                         packed_right, deep, out + row * out_stride + col, out_stride, cols<T>);
      }
    }
  }
}

}  // namespace product
