using System.Text;

namespace Paas.Receiver.Manifests;

/// <summary>Words as a POSIX shell would see them, without any of its other powers (Python's shlex.split, which Paasmaker used), and back.</summary>
static class ShellWords
{
    /// <summary>Null when a quote is not closed or the line ends with a backslash.</summary>
    public static IReadOnlyList<string>? Split(string line)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        for (var i = 0; i < line.Length; i++)
        {
            switch (line[i])
            {
                case ' ' or '\t' or '\r' or '\n':
                    Finish();
                    break;
                case '\'':
                    var end = line.IndexOf('\'', i + 1);
                    if (end < 0)
                    {
                        return null;
                    }

                    (word ??= new()).Append(line, i + 1, end - i - 1);
                    i = end;
                    break;
                case '"':
                    word ??= new();
                    for (i++; i < line.Length && line[i] != '"'; i++)
                    {
                        if (line[i] == '\\' && i + 1 < line.Length && line[i + 1] is '"' or '\\')
                        {
                            i++;
                        }

                        word.Append(line[i]);
                    }

                    if (i >= line.Length)
                    {
                        return null;
                    }

                    break;
                case '\\':
                    if (++i >= line.Length)
                    {
                        return null;
                    }

                    (word ??= new()).Append(line[i]);
                    break;
                default:
                    (word ??= new()).Append(line[i]);
                    break;
            }
        }

        Finish();
        return words;

        void Finish()
        {
            if (word is not null)
            {
                words.Add(word.ToString());
                word = null;
            }
        }
    }

    /// <summary>One word that a shell takes for exactly this text: never an option of the shell, a keyword or an assignment.</summary>
    public static string Quote(string text) =>
        text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or ':' or ',' or '@' or '+') && !Keywords.Contains(text)
            ? text : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    static readonly HashSet<string> Keywords = ["if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in", "function", "select", "time"];
}
