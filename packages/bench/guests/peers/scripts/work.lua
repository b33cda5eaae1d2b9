-- What scripts do: tables, strings, closures, recursion, numbers.
local function queens(n)
  local columns, rising, falling, found = {}, {}, {}, 0
  local function place(row)
    if row > n then
      found = found + 1
      return
    end
    for column = 1, n do
      local a, b = row + column, row - column + n
      if not (columns[column] or rising[a] or falling[b]) then
        columns[column], rising[a], falling[b] = true, true, true
        place(row + 1)
        columns[column], rising[a], falling[b] = nil, nil, nil
      end
    end
  end
  place(1)
  return found
end

local function words(count)
  local frequencies = {}
  for i = 1, count do
    local word = string.char(97 + i * 3 % 26, 97 + i * 5 % 26, 97 + i * 7 % 26)
    frequencies[word] = (frequencies[word] or 0) + 1
  end
  local names = {}
  for word in pairs(frequencies) do
    names[#names + 1] = word
  end
  table.sort(names)
  return table.concat(names, " ", 1, 5)
end

local function spectral(n)
  local u, v = {}, {}
  for i = 1, n do
    u[i] = 1
  end
  local function times(from, to)
    for i = 1, n do
      local sum = 0
      for j = 1, n do
        local k = i + j - 2
        sum = sum + from[j] / (k * (k + 1) / 2 + i)
      end
      to[i] = sum
    end
  end
  for _ = 1, 4 do
    times(u, v)
    times(v, u)
  end
  return string.format("%.9g", u[1] / v[1])
end

local function fibonacci(n)
  return n < 2 and n or fibonacci(n - 1) + fibonacci(n - 2)
end

print(queens(9), words(200000), spectral(250), fibonacci(28))
